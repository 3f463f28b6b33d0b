"""What a compiled program costs, as far as XLA knows without running it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple


class Cost(NamedTuple):
    """Of one program.

    flops: floating-point operations of one training step of one run; None where XLA does not say.
    memory: bytes that a device needs for a chunk of steps: data, state, and what lies in between,
        for all lanes together; None where XLA does not say.
    """

    flops: float | None = None
    memory: int | None = None


def cost(chunk: Any, jaxpr: Any, lanes: int = 1, devices: int = 1) -> Cost:
    """The cost of a compiled chunk of training steps.

    XLA's cost analysis counts the body of a loop once. That makes one step of a chunk, which is a
    loop over steps; but of a loop inside a step, such as a recurrent model's over time, it counts one
    turn only. For the other turns the products of matrices and the convolutions are added, two
    operations per multiplication, as XLA counts them. The analysis is of the program of one device.

    Args:
        chunk: the compiled function.
        jaxpr: what it was made from.
        lanes: how many runs one device does at once.
        devices: how many devices share one run.
    """
    flops = _said(chunk.cost_analysis, "flops")
    if flops is not None:
        flops = (flops * devices + uncounted(jaxpr)) / lanes
    return Cost(flops, _memory(chunk))


def _said(analysis: Any, name: str) -> float | None:
    try:
        found = analysis()
    except Exception:  # not every backend has it, and each says so in its own way
        return None
    facts = found[0] if isinstance(found, (list, tuple)) and found else found
    value = facts.get(name) if isinstance(facts, dict) else None
    return float(value) if value is not None and value > 0 else None


def _memory(chunk: Any) -> int | None:
    try:
        found = chunk.memory_analysis()
        parts = (
            found.argument_size_in_bytes,
            found.output_size_in_bytes,
            found.temp_size_in_bytes,
            -found.alias_size_in_bytes,  # the new state lies where the old one lay
        )
    except Exception:  # as above
        return None
    total = sum(map(int, parts))
    return total if total > 0 else None


def uncounted(jaxpr: Any, turns: int = 1) -> float:
    """Operations of products and convolutions in loops of known length, beyond each one's first turn.

    Args:
        jaxpr: a jaxpr, closed or not.
        turns: how often it is executed where it stands.

    >>> import jax, jax.numpy as jnp
    >>> def powers(x):
    ...     return jax.lax.scan(lambda y, _: (y @ x, None), x, length=5)[0]
    >>> uncounted(jax.make_jaxpr(powers)(jnp.ones((3, 3)))) == 4 * 2 * 3**3
    True
    """
    total = 0.0
    for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        name = equation.primitive.name
        if name == "dot_general":
            total += (turns - 1) * _product(equation)
        elif name == "conv_general_dilated":
            total += (turns - 1) * _convolution(equation)
        inner = turns * int(equation.params["length"]) if name == "scan" else turns
        total += sum(uncounted(part, inner) for part in _inside(equation.params))
    return total


def _inside(params: dict[str, Any]) -> Iterator[Any]:
    """The jaxprs among an equation's parameters."""
    for value in params.values():
        for part in value if isinstance(value, (list, tuple)) else (value,):
            if hasattr(getattr(part, "jaxpr", part), "eqns"):
                yield part


def _product(equation: Any) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = equation.invars[0].aval.shape
    length = math.prod(shape[axis] for axis in contracted)
    return 2.0 * length * math.prod(equation.outvars[0].aval.shape)


def _convolution(equation: Any) -> float:
    kernel = equation.invars[1].aval.shape
    features = kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) / features
