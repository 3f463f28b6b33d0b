"""A name for code that has no source to read."""

from __future__ import annotations

import functools
from collections.abc import Callable

VERSION = "funcdl_version"


def versioned(constructor: Callable, version: str) -> Callable:
    """A callable that is identified by `version` and its name alone.

    For what has no source to read, or whose source does not decide what it does. Whoever changes
    what it does changes the version.

    >>> from funcdl.config.identity import identity
    >>> identity(versioned(lambda rate: rate, "1")) == identity(versioned(lambda rate: rate, "2"))
    False
    """
    wrapped = functools.partial(constructor)
    setattr(wrapped, VERSION, version)
    return wrapped
