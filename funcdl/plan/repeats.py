"""Where each source of chance is in a repeat: all together, or crossed with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from funcdl.train.streams import STREAMS, key_words

SPLIT = "split"  # of the data: a source that is no random stream of training


def streams_at(repeat: int, vary: Sequence[str], cross: Mapping[str, int]) -> dict[str, int]:
    """Which of its values each source of chance has in a repeat.

    Args:
        repeat: the repeat's number, from 0.
        vary: the sources that differ between repeats; each is at the repeat's own number.
        cross: crossed sources -> how many values each has, in the place of `vary`; empty for none.
            Repeats number all combinations, the last source fastest.

    Returns:
        Source -> index. Random streams that are not named are held at 0; the split of the data is
        among them only if it varies.

    >>> streams_at(7, (), {"init": 5, "order": 4})
    {'init': 1, 'order': 3, 'dropout': 0, 'augment': 0}
    >>> streams_at(2, ("init", "split"), {})
    {'init': 2, 'order': 0, 'dropout': 0, 'augment': 0, 'split': 2}
    """
    at: dict[str, int] = dict.fromkeys(STREAMS, 0)
    if not cross:
        return at | dict.fromkeys(vary, repeat)
    for source in reversed([*cross]):
        repeat, at[source] = divmod(repeat, cross[source])
    return at


def split_seed(seed: int, phase: str, index: int, written: int) -> int:
    """The seed of a repeat's own split of the data, from 0 to 2**32 - 1.

    Like a random stream's key it depends on the study's seed, the phase and the index, so that tuning
    and measuring never share a split, and adding a repeat changes no other. It also depends on the
    seed that the config has for the split.

    Args:
        seed: the study's seed.
        phase: "tune" or "measure".
        index: which of the splits.
        written: `data.split.seed`.
    """
    return int(key_words(seed, phase, f"{SPLIT} {written}", index)[0])
