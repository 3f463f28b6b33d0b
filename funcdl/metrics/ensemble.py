"""Deep ensembles: the mean of the probabilities of several runs, and what their disagreement says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from funcdl.metrics.probabilities import log_probabilities


class Ensemble(NamedTuple):
    """What several classifiers say together.

    logits: `[n, k]`, the logarithm of the mean probability.
    total: `[n]`, the entropy of the mean probabilities, in nats: all uncertainty.
    expected: `[n]`, the mean entropy of the members: what more training would not take away.
    mutual: `[n]`, total - expected, not negative: what the members disagree about.
    """

    logits: np.ndarray
    total: np.ndarray
    expected: np.ndarray
    mutual: np.ndarray


def ensemble(logits: np.ndarray) -> Ensemble:
    """Averages the probabilities of members.

    By Jensen's inequality the negative log-likelihood of the mean is at most the members' mean.

    Args:
      logits: `[members, n, k]`, at least one member.

    Raises:
      ValueError: if the shape is another.

    Source: Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty
    estimation using deep ensembles" (NeurIPS 2017); Depeweg et al., "Decomposition of uncertainty
    in Bayesian deep learning" (ICML 2018), section 3, for the entropies.

    >>> found = ensemble(np.log([[[0.9, 0.1]], [[0.5, 0.5]]]))
    >>> [round(float(x[0]), 6) for x in found[1:]]
    [0.610864, 0.509115, 0.101749]
    """
    if logits.ndim != 3 or not len(logits):
        raise ValueError(f"logits have shape {list(logits.shape)}; allowed is [members, n, k]")
    members = log_probabilities(logits)
    mean = special.logsumexp(members, axis=0) - np.log(len(members))
    total, expected = entropy(mean), entropy(members).mean(axis=0)
    return Ensemble(mean, total, expected, np.maximum(total - expected, 0.0))


def entropy(log_p: np.ndarray) -> np.ndarray:
    """Returns `-sum_j p_j log p_j` over the last axis, in nats.

    Args:
      log_p: `[..., k]`, log-probabilities; -inf for what is impossible.
    """
    p = np.exp(log_p)
    return special.entr(p).sum(axis=-1)
