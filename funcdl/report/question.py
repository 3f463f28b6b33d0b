"""What a study asked, as the report needs to know it: plain data, no config and no JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from funcdl.stats.verdict import Mode


class Search(NamedTuple):
    """How one method was searched.

    optimizer: its `name` and arguments, those that were searched being None; empty for a baseline,
        and for an optimizer that is a Python object.
    rest: a digest of all else that the method is: data, model, training, and what was searched of it.
    ranges: tuned key -> its space as a config holds it, such as `{"log_uniform": [1e-4, 1.0]}`.
    trials: points planned; 0 where nothing is searched.
    """

    optimizer: Mapping[str, Any]
    rest: str
    ranges: Mapping[str, Mapping[str, Any]]
    trials: int


class Holding(NamedTuple):
    """One of a study's data sets, and how it is split.

    blocks: labels of the blocks that use it.
    name: what the config calls it, or "given in Python".
    rule: how it is split, in words; empty where it came split.
    splits: how many splits the measured repeats have; what follows is of the first.
    sizes: training, validation and test examples.
    classes: names of the classes.
    counts: examples of each class in the training, validation and test splits; empty without labels.
    shared: test examples that the training split has, validation examples that it has, test examples
        that the validation split has; by their inputs. None where that was not looked for.
    unlabelled: training examples whose labels are hidden, beside the training split.
    rolling: whether each split begins when the one before it ends, so that none tests on what an earlier
        one chose by.
    """

    blocks: Sequence[str]
    name: str
    rule: str
    splits: int
    sizes: Sequence[int]
    classes: Sequence[str] = ()
    counts: Sequence[Sequence[int]] = ()
    shared: Sequence[int] | None = None
    unlabelled: int = 0
    rolling: bool = False


class Question(NamedTuple):
    """A study's question, and what a reader needs to judge and repeat the answer.

    name: the study's name.
    command: the command line that makes the study.
    config_text: the resolved config, YAML.
    metric: what methods are compared by, such as "test/accuracy".
    selected_by: what picked the best trial and is drawn over time, such as "validation/accuracy".
    mode: "max" where larger is better, "min" where smaller is; for both metrics.
    methods: (block, label) in the order of the config.
    contrasts: (block, a, b), the pairs to test; those of a block are one family.
    blocks: labels of the blocks; the empty label alone when the study has none.
    alpha: the family's error rate; intervals have the level 1 - alpha.
    margin: the largest difference that does not matter, or None.
    tuned: the tuned keys.
    spaces: (block, label) -> tuned key -> its space in words, such as "log_uniform: [1e-4, 1]".
    trials: tuning trials per method and block; 0 when nothing was tuned.
    searches: (block, label) -> its `Search`; empty where that is not known.
    sampler: how trials were chosen, such as "halton"; empty when nothing was tuned.
    tune_repeats: runs per trial.
    stopping: how losing trials were stopped early, in words; empty where they were not.
    repeats: measuring runs planned per method and block.
    vary: the random streams that differ between repeats; "split" among them where every repeat has a
        split of the data of its own.
    looks: the numbers of repeats at which a study that grows "until decided" looks at its answer,
        rising; the last is the most it takes. Empty for a study that does not grow.
    answered: the repeats of earlier versions of the study whose answer had been seen before it was
        extended; the planned looks of this version are not among them.
    cross: crossed streams -> their number of values; the repeats are all combinations, numbered with
        the last stream fastest. Empty where repeats are not crossed.
    shares: (block, label) -> test examples over training and test examples of the method's data.
    judged: digest of a data set -> digest of its test split. Methods that train on different examples
        are compared on the same test examples where these agree.
    targets: block -> the value of `selected_by` whose reaching is timed; empty where none was set.
    parameters: (block, label) -> how many numbers the model trains.
    environment: name -> value, such as versions and the device.
    tasks: block -> name of its task, such as "classification"; empty for a task from Python.
    notes: sentences for the reader, shown as they are.
    apart: why methods may have no repeat in common, where studies of several seeds are joined, such as
        "seed 0 in mine, 1 in yours"; they are then compared as independent samples. Empty for a
        single study, whose methods share their repeats.
    doubts: sentences on what else could overturn the answer; empty for a single study.
    heading: the question as the config's author wrote it; may be empty.
    setting: task, data, training and numerics in a few words each; see `funcdl.report.setting`.
    holdings: the data sets.
    """

    name: str
    command: str
    config_text: str
    metric: str
    selected_by: str
    mode: Mode
    methods: tuple[tuple[str, str], ...]
    contrasts: tuple[tuple[str, str, str], ...]
    blocks: tuple[str, ...] = ("",)
    alpha: float = 0.05
    margin: float | None = None
    tuned: tuple[str, ...] = ()
    spaces: Mapping[tuple[str, str], Mapping[str, str]] = {}
    trials: int = 0
    searches: Mapping[tuple[str, str], Search] = {}
    sampler: str = ""
    tune_repeats: int = 1
    stopping: str = ""
    repeats: int = 1
    vary: tuple[str, ...] = ()
    looks: tuple[int, ...] = ()
    answered: tuple[int, ...] = ()
    cross: Mapping[str, int] = {}
    shares: Mapping[tuple[str, str], float] = {}
    judged: Mapping[str, str] = {}
    targets: Mapping[str, float] = {}
    parameters: Mapping[tuple[str, str], int] = {}
    environment: Mapping[str, str] = {}
    tasks: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()
    apart: str = ""
    doubts: tuple[str, ...] = ()
    heading: str = ""
    setting: Mapping[str, str] = {}
    holdings: tuple[Holding, ...] = ()

    @property
    def rolling(self) -> bool:
        """Whether the splits of all its data follow one another in time."""
        return bool(self.holdings) and all(one.rolling for one in self.holdings)

    def of(self, block: str) -> Question:
        """The question of one block alone."""
        return self._replace(
            methods=tuple(method for method in self.methods if method[0] == block),
            contrasts=tuple(contrast for contrast in self.contrasts if contrast[0] == block),
            blocks=(block,),
        )

    def labels(self, block: str) -> list[str]:
        """The methods of a block, in the order of the config."""
        return [label for where, label in self.methods if where == block]
