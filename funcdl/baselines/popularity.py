"""What most people chose, recommended to everybody."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator

from funcdl.types import PyTree


class Popularity(BaseEstimator):
    """Scores `log p_i`, where p_i is item i's share of all choices, each counted `smoothing` times more.

    Counted are the choices of the training split: all targets, and what the first history of each
    person holds. So a rating counts once, as far as the training examples go back.

    Source: Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-n recommendation
    tasks" (RecSys 2010), section 3.1 (TopPop).

    Args:
      smoothing: what is added to each count, above 0, so that a new item has a probability.
    """

    def __init__(self, smoothing: float = 1.0):
        self.smoothing = smoothing

    def fit(self, inputs: PyTree, targets: PyTree) -> Popularity:
        """Counts.

        Args:
          inputs: a dict of `history` int `[n, length]` and `user` int `[n]`, or what has neither.
          targets: the items chosen, `[n]`, or a dict of them as `item`.

        Raises:
          ValueError: if `smoothing` is not above 0.
        """
        if not self.smoothing > 0:
            raise ValueError(
                f"smoothing is {self.smoothing}; allowed are numbers above 0, such as 1"
            )
        chosen = [np.asarray(targets["item"] if isinstance(targets, Mapping) else targets)]
        if isinstance(inputs, Mapping) and {"history", "user"} <= set(inputs):
            _, first = np.unique(inputs["user"], return_index=True)
            chosen.append(inputs["history"][first].ravel())
        every = np.concatenate(chosen)
        self.counts_ = np.bincount(every[every > 0])
        return self

    def outputs(self, inputs: PyTree, width: int) -> np.ndarray:
        """The same scores for everybody, float32 `[n, width]`; those of padding mean nothing."""
        counts = np.zeros(width)
        counts[: len(self.counts_)] = self.counts_
        scores = np.log(counts + self.smoothing)
        scores -= np.log(np.exp(scores[1:]).sum())
        rows = len(inputs["history"] if isinstance(inputs, Mapping) else inputs)
        return np.tile(scores.astype(np.float32), (rows, 1))
