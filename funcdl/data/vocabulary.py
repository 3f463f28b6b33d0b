"""From texts to whole numbers: tokens, the vocabulary of a training split, sequences of ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

PADDING, UNKNOWN = 0, 1  # ids that stand for no token
FIRST = 2  # the id of the most frequent token
Unit = Literal["words", "characters"]
_WORD = re.compile(r"\w+(?:'\w+)*|[^\w\s]")


def tokens(text: str, unit: Unit = "words") -> list[str]:
    """Cuts a text, in lower case, into words and marks, or into characters.

    >>> tokens("Don't buy it!")
    ["don't", 'buy', 'it', '!']
    >>> tokens("Ab", "characters")
    ['a', 'b']
    """
    return _WORD.findall(text.lower()) if unit == "words" else list(text.lower())


def vocabulary(cut: Iterable[Sequence[str]], size: int) -> dict[str, int]:
    """Numbers the most frequent tokens from `FIRST` on; equally frequent ones in order of the alphabet.

    Args:
      cut: the tokens of each training text.
      size: how many ids there may be, with those of padding and of unknown tokens.

    >>> vocabulary([["b", "a"], ["a", "c"]], size=4)
    {'a': 2, 'b': 3}
    """
    counts = Counter(token for text in cut for token in text)
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    return {token: FIRST + i for i, token in enumerate(ranked[: max(0, size - FIRST)])}


def ids(cut: Sequence[Sequence[str]], known: Mapping[str, int], length: int) -> np.ndarray:
    """Texts as ids, int32 `[n, length]`: longer ones are cut, shorter ones end in `PADDING`.

    A text without any token is one unknown token, so that no example is padding alone.

    >>> ids([["a", "z"], []], {"a": 2}, length=3)
    array([[2, 1, 0],
           [1, 0, 0]], dtype=int32)
    """
    found = np.zeros((len(cut), length), np.int32)
    for row, text in enumerate(cut):
        numbers = [known.get(token, UNKNOWN) for token in text[:length]] or [UNKNOWN]
        found[row, : len(numbers)] = numbers
    return found
