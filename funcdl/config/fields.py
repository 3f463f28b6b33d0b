"""The parts of a study whose shape is funcdl's own: training, repeats, selection, search.

Sections that name a constructor are not here: their schema is the constructor's signature.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from funcdl.config.names import show

STREAMS = ("init", "order", "dropout", "augment")
Source = Literal["init", "order", "dropout", "augment", "split"]
"""What may differ between repeats: the random streams of training, and the split of the data."""

MAX_REPEATS = 10_000

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
    augment: random changes of each batch's inputs, by name and arguments, one after the other.
    unlabelled: how examples whose labels are hidden (`data.labelled`) are learnt from, by name and
        arguments; not at all if null.
    mc_passes: forward passes with dropout that each evaluation averages (MC dropout; Gal and
        Ghahramani, 2016); 0 for the usual single pass without.
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
    augment: Any = ()
    unlabelled: Any = None
    mc_passes: Annotated[int, Field(ge=0, le=10_000)] = 0


class Mesh(Part):
    """Devices that share one run, by what they share.

    data: the examples of a batch are cut into so many parts.
    fsdp: so are the parameters and the optimizer's state, beside the examples.
    """

    data: Annotated[int, Field(ge=1, le=10**6)] = 1
    fsdp: Annotated[int, Field(ge=1, le=10**6)] = 1


class Repeat(Part):
    """Fresh repeats of each method's chosen trial.

    count: how many; where repeats are added, how many there are before the first look.
    max: how many there may be at most, where repeats are added.
    until: "decided" to double the repeats, from `count` to `max`, until each contrast is decided.
    vary: the sources of chance that differ between repeats; the others are held. With `split`
        every repeat has a split of the data of its own.
    cross: source -> how many of its values; every combination is a repeat. Sources that are not
        named are held. It stands in the place of all other keys.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {"max": ["until"], "until": ["max"]},
            "dependentSchemas": {"cross": {"maxProperties": 1}},
        },
    )

    count: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 5
    max: Annotated[int, Field(ge=1, le=MAX_REPEATS)] | None = None
    until: Literal["decided"] | None = None
    vary: Annotated[list[Source], Field(min_length=1)] = list(STREAMS)
    cross: dict[Source, Annotated[int, Field(ge=2, le=MAX_REPEATS)]] | None = None

    @model_validator(mode="before")
    @classmethod
    def _count(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return {"count": value}
        known = cls.model_fields  # null takes away what is known; a misspelt key is told
        return {k: part for k, part in value.items() if part is not None or k not in known}

    @model_validator(mode="after")
    def _fit(self) -> Repeat:
        problem = self._wrong_cross() if self.cross is not None else self._wrong_growth()
        if problem:
            raise ValueError(problem)
        return self

    def _wrong_cross(self) -> str:
        keys = ("count", "max", "until", "vary")
        given = [key for key in keys if key in self.model_fields_set]
        if given:
            return (
                f"cross is given together with {', '.join(given)}; cross says by itself which streams "
                "vary and how often: remove one or the other"
            )
        if not self.cross:
            return "cross names no stream; write some, such as {init: 5, order: 5}"
        if self.first > MAX_REPEATS:
            return f"cross has {self.first} combinations; allowed {MAX_REPEATS}"
        return ""

    def _wrong_growth(self) -> str:
        if self.max is None and self.until is None:
            return ""
        if self.max is None:
            return "until is given without max, the most repeats it may come to; add max: 40"
        if self.until is None:
            return "max is given without until, which says when to stop; add until: decided"
        if self.max < self.count:
            return f"max is {self.max}, but count is {self.count}; allowed at least count"
        if self.count < 2:
            return "count is 1, which decides nothing; allowed with until: at least 2"
        return ""

    @property
    def first(self) -> int:
        """The repeats that every method gets."""
        return math.prod(self.cross.values()) if self.cross is not None else self.count

    @property
    def most(self) -> int:
        """The repeats that a method may come to have."""
        return self.first if self.max is None else self.max

    @property
    def varied(self) -> tuple[str, ...]:
        """What differs between repeats, in the order of the config."""
        return tuple(self.vary if self.cross is None else self.cross)

    @property
    def crossed(self) -> dict[str, int]:
        """`cross`, empty where repeats are not crossed."""
        return {str(source): values for source, values in (self.cross or {}).items()}

    def written(self) -> dict[str, Any]:
        """The keys that a config needs to say the same."""
        if self.cross is not None:
            return {"cross": self.crossed}
        grows = {} if self.max is None else {"max": self.max, "until": self.until}
        return {"count": self.count, **grows, "vary": list(self.vary)}


class Select(Part):
    """By what the best trial is chosen, and methods are compared on the test split.

    metric: `validation/` and a metric of the task.
    mode: whether more is better; known for the metrics of funcdl's tasks.
    at: the last evaluation, or the best one of the run.
    target: a value of the metric; the report says how soon each method reaches it. One number, or
        one per block.
    """

    metric: str = ""
    mode: Literal["min", "max"] | None = None
    at: Literal["final", "best"] = "final"
    target: float | dict[str, float] | None = None

    @model_validator(mode="before")
    @classmethod
    def _metric(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"metric": value}

    @field_validator("target", mode="before")
    @classmethod
    def _target(cls, value: Any) -> Any:
        for one in value.values() if isinstance(value, dict) else [value]:
            number = isinstance(one, int | float) and not isinstance(one, bool)
            if one is not None and not (number and math.isfinite(one)):
                raise ValueError(f"{show(one)} given; allowed a finite number, or one per block")
        return value


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
