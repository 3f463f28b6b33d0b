"""The parts of a study whose shape is funcdl's own: training, repeats, selection, search.

Sections that name a constructor are not here: their schema is the constructor's signature.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from funcdl.config.names import show

STREAMS = ("init", "order", "dropout", "augment")
LATER = {
    "repeat": {
        "max": "growing the number of repeats until the answer is decided",
        "until": "growing the number of repeats until the answer is decided",
        "cross": "crossed random streams",
    },
}
"""Keys that a later version will have; a study that counts on them must not run without them."""


def later(part: str, key: str) -> str:
    """What to say about such a key."""
    return f"{LATER[part][key]} belongs to a later version; remove {key}"


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10**9)]


class Part(BaseModel):
    """A mapping with these keys and no others; `true` is no number and text is no number."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )


class Train(Part):
    """How every run is trained.

    steps: parameter updates.
    batch_size: examples per gradient.
    eval_every: steps between two evaluations; a tenth of the steps if left out.
    schedule: the learning rate's factor over the steps, by name and arguments.
    clip_norm: largest norm of the whole gradient (Pascanu et al., 2013), or null.
    clip_value: largest absolute value of a gradient's entry, or null.
    weight_decay: added to the gradient times the parameters, before the optimizer (coupled L2).
    accumulate: gradients averaged for one update.
    compute_dtype: what the model computes in; parameters, the optimizer's state, the loss and the
        metrics are float32 whatever it is.
    matmul_precision: of products of float32 matrices on hardware that has faster, coarser ones; the
        backend's own default if null.
    remat: recompute activations in the backward pass, which takes less memory and more time.
    stream: whether the training data stay on the host and come batch by batch; `auto` where they
        do not fit on the device.
    """

    steps: Count = 1000
    batch_size: Count = 64
    eval_every: Count | None = None
    schedule: Any = "constant"
    clip_norm: Positive | None = None
    clip_value: Positive | None = None
    weight_decay: NotNegative = 0.0
    accumulate: Count = 1
    compute_dtype: Literal["float32", "bfloat16"] = "float32"
    matmul_precision: Literal["default", "high", "highest"] | None = None
    remat: bool = False
    stream: Literal["auto", "always", "never"] = "auto"


class Mesh(Part):
    """Devices that share one run, by what they share.

    data: the examples of a batch are cut into so many parts.
    fsdp: so are the parameters and the optimizer's state, beside the examples.
    """

    data: Annotated[int, Field(ge=1, le=10**6)] = 1
    fsdp: Annotated[int, Field(ge=1, le=10**6)] = 1


class Repeat(Part):
    """Fresh repeats of each method's chosen trial.

    count: how many.
    vary: the random streams that differ between them; the others are held.
    """

    count: Annotated[int, Field(ge=1, le=10_000)] = 5
    vary: Annotated[list[Literal["init", "order", "dropout", "augment"]], Field(min_length=1)] = (
        list(STREAMS)
    )

    @model_validator(mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"count": value}


class Select(Part):
    """By what the best trial is chosen, and methods are compared on the test split.

    metric: `validation/` and a metric of the task.
    mode: whether more is better; known for the metrics of funcdl's tasks.
    at: the last evaluation, or the best one of the run.
    """

    metric: str = ""
    mode: Literal["min", "max"] | None = None
    at: Literal["final", "best"] = "final"

    @model_validator(mode="before")
    @classmethod
    def _metric(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"metric": value}


class Stop(Part):
    """Synchronous successive halving (Jamieson and Talwalkar, 2016): the worst trials stop early.

    eta: how many times fewer trials go on after each rung.
    rungs: how often trials are cut; as often as their number allows if null.
    first: steps of the first rung; the steps divided by `eta` once per rung if null, and no fewer
        than up to the first evaluation.
    """

    eta: Annotated[int, Field(ge=2, le=10**6)] = 3
    rungs: Annotated[int, Field(ge=1, le=30)] | None = None
    first: Count | None = None


class Tune(Part):
    """The search of each method's hyperparameters; every other key is a tuned key with its space.

    trials: points tried per method and block.
    sampler: how points are chosen.
    repeat: runs per point.
    stop: which trials are stopped early; none if left out.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, arbitrary_types_allowed=True)

    trials: Annotated[int, Field(ge=1, le=10**6)] = 8
    sampler: Literal["grid", "random", "halton", "sobol"] = "halton"
    repeat: Annotated[int, Field(ge=1, le=10_000)] = 1
    stop: Stop | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _stop(cls, value: Any) -> Any:
        if value is None or isinstance(value, bool | dict | Stop):
            return ({} if value else None) if isinstance(value, bool) else value
        raise ValueError(f"{show(value)} given; allowed true, or a mapping of eta, rungs, first")

    @property
    def spaces(self) -> dict[str, Any]:
        """Tuned key -> space, or list of spaces with `when`, as written."""
        return dict(self.model_extra or {})


class Contrasts(Part):
    """Which pairs of methods are tested, when not all.

    within: pairs that differ only on this axis.
    against: pairs of this method with each other one.
    """

    within: str | None = None
    against: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Contrasts:
        if (self.within is None) == (self.against is None):
            raise ValueError("give one of within, against")
        return self
