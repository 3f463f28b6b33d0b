"""What a study asked, as the report needs to know it: plain data, no config and no JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from funcdl.stats.verdict import Mode


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
    stopping: how losing trials were stopped early, in words; empty where they were not.
    repeats: measuring runs planned per method and block.
    vary: the random streams that differ between repeats.
    parameters: (block, label) -> how many numbers the model trains.
    environment: name -> value, such as versions and the device.
    notes: sentences for the reader, shown as they are.
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
    stopping: str = ""
    repeats: int = 1
    vary: tuple[str, ...] = ()
    parameters: Mapping[tuple[str, str], int] = {}
    environment: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()

    def labels(self, block: str) -> list[str]:
        """The methods of a block, in the order of the config."""
        return [label for where, label in self.methods if where == block]
