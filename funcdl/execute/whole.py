"""Metrics of whole splits, from a model's outputs on the host."""

from __future__ import annotations

import jax
import numpy as np

from funcdl.types import Dataset, PyTree, Task


class Whole:
    """The metrics of one task on one data set that are no means over examples.

    summaries: whether there are some that each split has for itself.
    fitted: whether there are some of the test split that are fitted on the validation split.
    """

    def __init__(self, task: Task, dataset: Dataset):
        self._task, self._dataset = task, dataset
        self.summaries, self.fitted = bool(task.summaries), bool(task.fitted)

    def of(self, split: str, outputs: PyTree) -> dict[str, float]:
        """`{"validation/ece": ...}`; nothing where nothing is asked for.

        Args:
            split: its name.
            outputs: `[n, ...]`, of all its examples.
        """
        return {
            f"{split}/{name}": float(summary(*self._pair(split, outputs)))
            for name, summary in self._task.summaries.items()
        }

    def of_test(self, test: PyTree, validation: PyTree) -> dict[str, float]:
        """All of the test split, from the outputs of both."""
        pairs = self._pair("test", test), self._pair("validation", validation)
        fitted = {f"test/{n}": float(metric(*pairs)) for n, metric in self._task.fitted.items()}
        return self.of("test", test) | fitted

    def examples(self, test: PyTree, validation: PyTree) -> dict[str, np.ndarray]:
        """`{"test/f1": float32 [n]}`: a value per test example of the metrics that have them.

        Their mean is the metric. One that is not finite, or not defined, has none.
        """
        of_test = self._pair("test", test)
        pairs = of_test, self._pair("validation", validation)
        found = {
            f"test/{name}": np.asarray(
                values(*(pairs if name in self._task.fitted else of_test)), np.float32
            )
            for name, values in self._task.values.items()
        }
        return {name: values for name, values in found.items() if np.isfinite(values).all()}

    def _pair(self, split: str, outputs: PyTree) -> tuple[PyTree, PyTree]:
        return outputs, jax.tree.map(np.asarray, getattr(self._dataset, split).targets)
