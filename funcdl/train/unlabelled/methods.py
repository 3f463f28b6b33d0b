"""Methods that learn from examples without labels, by their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from funcdl.train.unlabelled import Unlabelled


def pseudo_label(*, weight: float = 1.0, threshold: float = 0.95, ratio: int = 4) -> Unlabelled:
    """What the model is sure of counts as a label.

    Lee, "Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks"
    (ICML workshop 2013), with a threshold in the place of a weight that grows over the steps: early on
    nothing is sure enough to count.

    Args:
        weight: of the loss on examples without labels.
        threshold: the least probability of the likeliest class, at which it counts.
        ratio: examples without labels for each labelled one in a batch.
    """
    return Unlabelled(weight, threshold, ratio)


def consistency(
    *,
    strong: Sequence[Mapping[str, Any]],
    weight: float = 1.0,
    threshold: float = 0.95,
    ratio: int = 4,
) -> Unlabelled:
    """What the model is sure of in a weakly changed view counts as the label of a strongly changed one.

    FixMatch: Sohn et al., "FixMatch: simplifying semi-supervised learning with consistency and
    confidence" (NeurIPS 2020), equations 3 and 4. The weak view is that of `train.augment`.

    Args:
        strong: augmentations of the strong view, in the place of those of `train.augment`.
        weight: lambda_u, of the loss on examples without labels.
        threshold: tau, the least probability of the likeliest class, at which it counts.
        ratio: mu, examples without labels for each labelled one in a batch.
    """
    return Unlabelled(weight, threshold, ratio, tuple(strong))
