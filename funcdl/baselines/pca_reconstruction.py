"""What principal components cannot give back: the autoencoder that needs no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.base
import sklearn.decomposition

from funcdl.baselines.fit import side_by_side
from funcdl.types import PyTree


class PCAReconstruction(sklearn.base.BaseEstimator):
    """The mean squared distance of an example to the plane of scikit-learn's `PCA`.

    `score(x) = mean_j (x_j - x'_j)^2`, where x' is the nearest point of the plane through the mean of the
    training examples along their first principal components. No linear autoencoder with as many units in
    its bottleneck does better on them, so this row says what the nonlinear ones add.

    Source: Baldi & Hornik, "Neural networks and principal component analysis" (Neural Networks 1989).

    Args:
      n_components: dimension of the plane; a share of the variance to keep if below 1.
      random_state: of the randomised solver, which scikit-learn chooses for large data.
    """

    def __init__(self, n_components: int | float = 0.9, random_state: Any = None):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, inputs: PyTree, targets: PyTree = None) -> PCAReconstruction:
        """Finds the plane; the targets are not looked at."""
        del targets
        self.plane_ = sklearn.decomposition.PCA(**self.get_params()).fit(_wide(inputs))
        return self

    def outputs(self, inputs: PyTree, width: int) -> np.ndarray:
        """Returns scores `[n]`, higher for what is stranger."""
        del width
        x = _wide(inputs)
        back = self.plane_.inverse_transform(self.plane_.transform(x))
        return np.mean((x - back) ** 2, axis=1)


def _wide(inputs: PyTree) -> np.ndarray:
    """`[n, features]` in float64: most of a distance to a plane cancels."""
    return side_by_side(inputs).astype(np.float64)
