"""How long a worker may be silent, by what it is doing."""

from __future__ import annotations

import math

from funcdl.execute.crew import Member
from funcdl.execute.inline import Here
from funcdl.execute.queue import NO_PROGRAM

SILENCE = 300.0  # seconds a worker may be silent while it trains; it speaks about every second
STARTING = 300.0  # seconds it may take to start
COMPILING = 1800.0  # seconds it may be silent while it compiles


def patience(member: Member | Here) -> float:
    """Seconds until a silent worker counts as hung."""
    if not member.ready:
        return STARTING
    if member.program in (None, NO_PROGRAM):
        return math.inf  # it has nothing to say; a library that fits a baseline cannot speak
    return SILENCE if member.program in member.programs else COMPILING
