"""Whether a model is as wide as its task needs, asked while the program is traced."""

from __future__ import annotations

from typing import Any

from funcdl.types import Model


def of_width(model: Model, width: int) -> Model:
    """The model, which refuses to return an array other than `[batch, width]`; `[batch]` if that is 0.

    A model that someone wrote for other data would train all the same: a class without a logit
    costs nothing. Shapes are known while the program is traced, so looking at them is free.

    Args:
        model: any model; outputs that are no single array are its task's to check.
        width: how long the last axis must be; 0 for one number per example.

    Raises:
        ValueError: from `apply`, with the shape that it returned.
    """

    def apply(variables: Any, inputs: Any, **extra: Any) -> Any:
        outputs, after = model.apply(variables, inputs, **extra)
        shape = getattr(outputs, "shape", None)
        if width == 0 and shape is not None and len(shape) != 1:
            raise ValueError(
                f"the model's outputs have shape {list(shape)}, but the task needs one number per "
                "example, [batch], such as the score that models of anomalies give"
            )
        if width and shape is not None and (len(shape) < 2 or shape[-1] != width):
            raise ValueError(
                f"the model's outputs have shape {list(shape)}, but the task needs "
                f"[batch, {width}]: take the width of the last layer from an argument called "
                "outputs, which the task fills in"
            )
        return outputs, after

    return Model(model.init, apply)
