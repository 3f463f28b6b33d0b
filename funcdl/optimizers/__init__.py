"""Optimizers and learning-rate schedules, by name; importing this imports no JAX.

Every whole optimizer of `optax`, then of `optax.contrib`, has its own name; a new one that optax
brings needs no code here, because availability follows from its signature. `build` makes an
`Optimizer` of a name or a callable, `schedules` holds the schedules.
"""

from __future__ import annotations

import ast
import functools

from funcdl.errors import FuncdlError
from funcdl.signatures import Parameter, imported_from, locate, parameters, public_names

SCHEDULES = {
    "constant": "funcdl.optimizers.schedules:constant",
    "linear": "funcdl.optimizers.schedules:linear",
    "cosine": "funcdl.optimizers.schedules:cosine",
    "exponential": "funcdl.optimizers.schedules:exponential",
    "step": "funcdl.optimizers.schedules:staircase",
}

# Where optax's own defaults do not work.
_CORRECTED = {
    "adadelta": "funcdl.optimizers.corrected:adadelta",
    "noisy_sgd": "funcdl.optimizers.corrected:noisy_sgd",
}
# What a signature does not say.
_REASONS = {
    "dpsgd": "it needs the gradient of every example, and training has that of the batch",
    "lookahead": "it wraps another optimizer and trains pairs of parameters",
}
_UNSCHEDULED = {
    "rprop": "its learning_rate is only the first size of steps that it then adapts by itself",
    "lbfgs": "its line search undoes any factor on the learning rate",
}


def names() -> tuple[str, ...]:
    """The optimizers that a config may name, optax's first, each in alphabetical order."""
    return tuple(name for name, reason in _survey().items() if not reason)


def unavailable() -> dict[str, str]:
    """The optimizers of optax and optax.contrib that a config cannot name -> why not."""
    return {name: reason for name, reason in _survey().items() if reason} | _REASONS


def target(name: str) -> str:
    """Where an optimizer lives, as `"module:object"`.

    Raises:
        FuncdlError: for a name that is not in `names()`.

    >>> target("adamw"), target("prodigy")
    ('optax:adamw', 'optax.contrib:prodigy')
    """
    reason = unavailable().get(name)
    if reason:
        raise FuncdlError(f"optimizer {name!r} cannot be made from its name: {reason}")
    if name not in names():
        raise FuncdlError(
            f"no optimizer {name!r}; optax and optax.contrib have {', '.join(names())}"
        )
    package = "optax" if name in _core() else "optax.contrib"
    return _CORRECTED.get(name, f"{package}:{name}")


def unscheduled(name: str) -> str:
    """Why a schedule would have no effect on this optimizer; empty when it has one.

    `constant` without warm-up is no schedule, and always right.

    >>> unscheduled("adamw")
    ''
    >>> print(unscheduled("lbfgs"))
    its line search undoes any factor on the learning rate
    """
    return _UNSCHEDULED.get(name, "")


def takes_schedule(name: str) -> bool:
    """Whether an optimizer follows a schedule; `unscheduled` says why not."""
    return not unscheduled(name)


@functools.cache
def _core() -> tuple[str, ...]:
    """The optimizers that optax itself exports; its own word for a whole one is an alias."""
    names = [n for n in public_names("optax") if imported_from("optax", n).endswith(".alias")]
    return tuple(sorted(n for n in names if n.islower()))  # MaskOrFn is a type


@functools.cache
def _survey() -> dict[str, str]:
    """Name -> why a config cannot name it; the empty string for the many that it can."""
    contrib = [n for n in sorted(public_names("optax.contrib")) if n not in _core()]
    survey = {name: _why_not(_CORRECTED.get(name, f"optax:{name}")) for name in _core()}
    for name in contrib:
        if not name.startswith("scale_by_") and _makes_transformation("optax.contrib", name):
            survey[name] = _REASONS.get(name) or _why_not(f"optax.contrib:{name}")
    return survey


def _makes_transformation(module: str, name: str) -> bool:
    """By the declared return type, or where none is declared, by having a learning rate."""
    node = locate(module, name).node
    if not isinstance(node, ast.FunctionDef):
        return False
    if node.returns is None:
        return "learning_rate" in parameters(f"{module}:{name}")
    return "GradientTransformation" in ast.unparse(node.returns)


def _why_not(target: str) -> str:
    """The reason that a signature gives for not being usable from a config, or nothing."""
    known = parameters(target)
    missing = [p.name for p in known.values() if _needs_python(p)]
    if missing:
        given = " and ".join(missing)
        return f"it needs {given} from Python; give a function that returns the transformation"
    rates = [name for name in known if "learning_rate" in name]
    return "" if rates else "it is a part of an optimizer, not a whole one"


def _needs_python(parameter: Parameter) -> bool:
    return parameter.required and not parameter.settable
