"""A method with one point of its search space, on its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from funcdl.plan.mode import EACH, Mode
from funcdl.train.assemble import Static


class Trial(NamedTuple):
    """What is run, but for its random streams.

    values: the tuned keys' values.
    recipe: the resolved config with them, as written.
    text: the recipe as canonical JSON, objects by their digests and without what changes no bits;
        it identifies the trial. Where every repeat has a split of its own, it holds that split's
        seed.
    data: the digest of its data set.
    static, hyper: the recipe's static part and its traced numbers; `static` is None for a baseline.
    program: the digest of its program; empty for a baseline.
    mode: how that program runs.
    plain: the program's name before its mode.
    """

    values: Mapping[str, Any]
    recipe: Mapping[str, Any]
    text: str
    data: str
    static: Static | None
    hyper: Mapping[str, float]
    program: str
    mode: Mode = EACH
    plain: str = ""
