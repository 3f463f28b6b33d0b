"""Compiling for programs that run once or twice: what counts is the time that it takes."""

from functools import partial
from typing import Any

import jax
import numpy as np


def _known(option: str, value: Any) -> dict[str, Any]:
    """The option, where this XLA has it; nothing where not."""
    try:
        jax.jit(lambda x: x + 1).lower(np.float32(0)).compile({option: value})
    except jax.errors.JaxRuntimeError:
        return {}
    return {option: value}


# The newer emitters of fused loops take three times as long to compile a step of a transformer.
_EMITTERS = _known("xla_cpu_use_fusion_emitters", False)
OPTIONS: dict[str, Any] = {"xla_backend_optimization_level": 0, **_EMITTERS}
quick = partial(jax.jit, compiler_options=OPTIONS)

# For whole studies in processes of their own, where not bits are asked for but what comes out.
FLAGS = " ".join(f"--{option}={str(value).lower()}" for option, value in _EMITTERS.items())
