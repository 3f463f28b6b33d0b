"""What is known of one argument of a constructor."""

from __future__ import annotations

from typing import Any, NamedTuple


class Parameter(NamedTuple):
    """One argument of a constructor.

    name: as in the signature.
    kind: "float", "int", "bool", "str", "choice", "sequence", "mapping", or "other".
    default: the default as plain data; an `Expression` where it is code; None where required.
    required: it has no default.
    optional: None is allowed.
    choices: the allowed values of a `Literal`, else empty.
    annotation: source text, empty where there is none.
    settable: a config may give it. A mask, callable, array or dtype needs Python. A settable
        "other" (no annotation, or a union such as `float | str`) takes any plain value.
    """

    name: str
    kind: str
    default: Any
    required: bool
    optional: bool
    choices: tuple
    annotation: str
    settable: bool


class Expression(str):
    """The source text of a default that is code, such as `lambda x: x**0.25`."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The source itself, without quotes: it is not a string."""
        return str(self)


def accepts_schedule(parameter: Parameter) -> bool:
    """Whether a number's annotation also allows a function of the step.

    >>> from funcdl.signatures import parameters
    >>> accepts_schedule(parameters("optax:sgd")["learning_rate"])
    True
    >>> accepts_schedule(parameters("optax:sm3")["learning_rate"])
    False
    """
    text = parameter.annotation
    return parameter.kind == "float" and ("Schedule" in text or "Callable" in text)


def is_traced(parameter: Parameter, value: Any) -> bool:
    """Whether a value of this parameter enters the program as a traced float32 scalar.

    Numbers of float parameters do, and so do the floats of parameters nobody annotated; integers,
    switches and None decide the program's structure.

    >>> from funcdl.signatures import parameters
    >>> sgd = parameters("optax:sgd")
    >>> is_traced(sgd["momentum"], 0.9), is_traced(sgd["momentum"], None)
    (True, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return parameter.kind == "float" or (parameter.kind == "other" and isinstance(value, float))
