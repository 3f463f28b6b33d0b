"""Isolation Forest: what random cuts set apart soon is strange."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import sklearn.base
import sklearn.ensemble

from funcdl.baselines.fit import side_by_side
from funcdl.types import PyTree


class IsolationForest(sklearn.base.BaseEstimator):
    """scikit-learn's `IsolationForest`; the score of an example is `2^(-d / c)`, in (0, 1).

    d is its mean depth in trees of random cuts, c that of an unsuccessful search in a binary tree of as
    many examples. Where a threshold is needed, the task sets it on validation data, so that a
    `contamination` is not asked for.

    Source: Liu, Ting & Zhou, "Isolation forest" (ICDM 2008), eq. 2.

    Args:
      n_estimators: trees.
      max_samples: examples that each tree sees; "auto" for 256, or all if there are fewer.
      max_features: share of the features that each tree sees.
      random_state: of the cuts.
    """

    def __init__(
        self,
        n_estimators: int = 100,
        max_samples: int | float | Literal["auto"] = "auto",
        max_features: float = 1.0,
        random_state: Any = None,
    ):
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, inputs: PyTree, targets: PyTree = None) -> IsolationForest:
        """Fits the trees; the targets are not looked at."""
        del targets
        forest = sklearn.ensemble.IsolationForest(**self.get_params())
        self.forest_ = forest.fit(side_by_side(inputs))
        return self

    def outputs(self, inputs: PyTree, width: int) -> np.ndarray:
        """Returns scores `[n]`, higher for what is stranger."""
        del width
        return -self.forest_.score_samples(side_by_side(inputs))
