"""How badly an autoencoder of honest rows gives a row back, as a score of fraud."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import sklearn.base
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from funcdl.baselines.fit import side_by_side
from funcdl.errors import Problem, StudyError
from funcdl.types import PyTree


class AutoencoderScore(sklearn.base.BaseEstimator):
    """An autoencoder that has seen honest rows only; what it gives back badly is called fraud.

    The score of a row is `e(x) = mean_j (x_j - x'_j)^2`, where x' is what scikit-learn's `MLPRegressor`
    makes of x through a narrow layer, both standardised by the honest training rows. Labels choose these
    rows, and set the two numbers of the logit of fraud, `a + b log e(x)`, by logistic regression on the
    training split; the errors of honest rows come from autoencoders that were fitted without
    them (3 folds), since those of rows that one was fitted to are too small.

    It is a row beside the trained models rather than one of them: the gradient of a classification's
    loss would reach the autoencoder's weights, and make it a classifier of an odd shape. The question
    here is how far one comes without learning what fraud looks like.

    Source: Hawkins, He, Williams & Baxter, "Outlier detection using replicator neural networks" (DaWaK
    2002), whose score this is.

    Args:
      code: width of the narrow layer.
      hidden: width of the layers before and behind it.
      alpha: L2 penalty of the weights.
      max_iter: iterations of L-BFGS; it often stops there.
      normal: the label of honest rows; the other of the two is fraud.
      random_state: of first weights and folds.
    """

    def __init__(
        self,
        code: int = 4,
        hidden: int = 16,
        alpha: float = 1e-3,
        max_iter: int = 200,
        normal: int = 0,
        random_state: Any = None,
    ):
        self.code = code
        self.hidden = hidden
        self.alpha = alpha
        self.max_iter = max_iter
        self.normal = normal
        self.random_state = random_state

    def fit(self, inputs: PyTree, targets: np.ndarray) -> AutoencoderScore:
        """Fits the autoencoder to honest rows, then the logit to all.

        Raises:
          ValueError: if there are not both kinds of rows, or fewer than three honest ones.
        """
        x, honest = side_by_side(inputs).astype(np.float64), targets == self.normal
        labels = np.unique(targets).tolist()
        if len(labels) != 2 or honest.sum() < 3:
            raise ValueError(
                f"it takes two classes, and three rows or more of the normal one, {self.normal}; the "
                f"training split has {honest.sum()} of these, and the labels {labels}"
            )
        self.scaler_ = StandardScaler().fit(x[honest])
        x = np.asarray(self.scaler_.transform(x))
        self.network_ = MLPRegressor(
            hidden_layer_sizes=(self.hidden, self.code, self.hidden),
            solver="lbfgs",
            alpha=self.alpha,
            max_iter=self.max_iter,
            random_state=self.random_state,
        )
        folds = KFold(3, shuffle=True, random_state=self.random_state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is meant
            held_out: Any = cross_val_predict(self.network_, x[honest], x[honest], cv=folds)
            self.network_.fit(x[honest], x[honest])
        back = self._given_back(x)
        back[honest] = np.reshape(held_out, back[honest].shape)
        self.logit_ = LogisticRegression().fit(_log_error(x, back), ~honest)
        return self

    def outputs(self, inputs: PyTree, width: int) -> np.ndarray:
        """Returns logits `[n, 2]`: 0 for honest, and `a + b log e(x)` for fraud.

        Args:
          inputs: rows, `[n, ...]` or a tree of them.
          width: of the outputs, 2.

        Raises:
          StudyError: if the task has another number of classes.
        """
        if width != 2:
            text = f"AutoencoderScore tells two classes apart, but the task has {width}: group them"
            raise StudyError([Problem("", "baselines", text)])
        x = np.asarray(self.scaler_.transform(side_by_side(inputs).astype(np.float64)))
        logits = np.zeros((len(x), 2))
        score = _log_error(x, self._given_back(x))
        logits[:, 1 - self.normal] = self.logit_.decision_function(score)
        return logits

    def _given_back(self, x: np.ndarray) -> np.ndarray:
        return np.reshape(self.network_.predict(x), x.shape)  # one column comes back as [n]


def _log_error(x: np.ndarray, back: np.ndarray) -> np.ndarray:
    """`[n, 1]`; a row that is given back exactly has the least error that counts."""
    error = np.mean((x - back) ** 2, axis=1, keepdims=True)
    return np.log(np.maximum(error, np.finfo(np.float32).eps))
