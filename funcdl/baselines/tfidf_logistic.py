"""TF-IDF and logistic regression: what counting words says of a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import sklearn.base
import sklearn.feature_extraction.text
import sklearn.linear_model

from funcdl.types import PyTree

_LEAST = np.finfo(np.float64).eps  # a probability of 0 would cost infinitely much; as in log_loss
_FIRST = 2  # the first id of a token that has a meaning: 0 is padding, 1 unknown


class TfidfLogistic(sklearn.base.BaseEstimator):
    """scikit-learn's `TfidfTransformer` and `LogisticRegression`, on the ids that the models read.

    A text is the vector `tf(w) (log((1 + n) / (1 + df(w))) + 1)` over tokens w, of length one, where
    tf counts the token in the text and df the n training texts that have it. Padding is dropped, and so
    are unknown tokens, which stand for no word, as `TfidfVectorizer` drops them.

    Source: Spärck Jones (1972) for the weights; smoothed as scikit-learn has them by default.

    Args:
      C: the inverse strength of the penalty on the squared weights.
      sublinear_tf: whether `1 + log(tf)` takes the place of tf.
      max_iter: of the solver, L-BFGS.
    """

    def __init__(self, C: float = 1.0, sublinear_tf: bool = False, max_iter: int = 1000):
        self.C = C
        self.sublinear_tf = sublinear_tf
        self.max_iter = max_iter

    def fit(self, inputs: PyTree, targets: PyTree) -> TfidfLogistic:
        """Fits the document frequencies, then the weights.

        Args:
          inputs: ids, integers `[n, length]`.
          targets: labels, integers `[n]`.

        Raises:
          ValueError: for inputs that are no ids.
        """
        self.size_ = 1 + max(int(np.max(_ids(inputs))), _FIRST)
        self.weights_ = sklearn.feature_extraction.text.TfidfTransformer(
            sublinear_tf=self.sublinear_tf
        )
        counts = self.weights_.fit_transform(self._counts(inputs))
        model = sklearn.linear_model.LogisticRegression(C=self.C, max_iter=self.max_iter)
        self.model_ = model.fit(counts, targets)
        return self

    def outputs(self, inputs: PyTree, width: int) -> np.ndarray:
        """Returns the logarithms of the classes' probabilities, `[n, width]`."""
        probabilities = np.zeros((len(inputs), width))
        counts = self.weights_.transform(self._counts(inputs))
        probabilities[:, self.model_.classes_] = self.model_.predict_proba(counts)
        return np.log(np.maximum(probabilities, _LEAST))

    def _counts(self, inputs: PyTree) -> Any:
        """How often each text has each token of the training split: sparse `[n, size]`."""
        ids = _ids(inputs)
        rows, columns = np.nonzero((ids >= _FIRST) & (ids < self.size_))
        tokens, shape = ids[rows, columns], (len(ids), self.size_)
        return scipy.sparse.csr_matrix((np.ones(len(tokens)), (rows, tokens)), shape)


def _ids(inputs: PyTree) -> np.ndarray:
    """The inputs, if they are ids."""
    if not isinstance(inputs, np.ndarray) or inputs.ndim != 2 or inputs.dtype.kind not in "iu":
        what = f"{inputs.dtype}{list(inputs.shape)}" if isinstance(inputs, np.ndarray) else "a tree"
        raise ValueError(
            f"it takes ids of tokens, integers [n, length], as reviews and text give them; the inputs "
            f"are {what}: use logistic_regression, which takes inputs of any shape"
        )
    return inputs
