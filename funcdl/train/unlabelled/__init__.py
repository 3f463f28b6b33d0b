"""Learning from examples without labels, beside those that have them: the table of names.

A name stands for `"module:function"`, so that this table can be read without JAX. The function takes the
method's arguments and returns an `Unlabelled`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

UNLABELLED: dict[str, str] = {
    "pseudo_label": "funcdl.train.unlabelled.methods:pseudo_label",
    "consistency": "funcdl.train.unlabelled.methods:consistency",
}


class Unlabelled(NamedTuple):
    """How examples without labels are learnt from; see `funcdl.train.unlabelled.views`.

    weight: of their loss, beside that of the labelled ones; a float or a float32 scalar.
    threshold: how sure the model must be of what it says of an example for that to count.
    ratio: examples without labels in a batch, for each labelled one.
    strong: augmentations of the view that is learnt from: `name` and arguments each. Empty for the view
        that was judged itself.
    """

    weight: Any
    threshold: Any
    ratio: int
    strong: tuple[Mapping[str, Any], ...] = ()
