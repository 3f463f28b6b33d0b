"""Whether Grain, which reads ahead from the host, is installed; asked without importing it."""

from __future__ import annotations

from importlib.util import find_spec


def has_grain() -> bool:
    """Whether Grain is installed. Importing it would import JAX."""
    return find_spec("grain") is not None


def no_grain(why: str) -> str:
    """Says why Grain is needed, and how to do without."""
    return (
        f"{why}, and reading them ahead needs Grain, which is not installed: "
        'pip install "funcdl[data]"; or put the whole training split on the device with '
        "train.stream: never, if it fits"
    )
