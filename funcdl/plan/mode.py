"""How runs are carried out: one after another, or in the lanes of one program.

A study has one mode, so that no comparison mixes two. `auto` follows from what computes and from
sizes alone, never from a stopwatch: the same study gets the same mode, and so the same bits, again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

CPU, ACCELERATOR = "cpu", "accelerator"
WIDEST = 64  # lanes that `auto` takes at most; a small study would leave more of them empty
LANES_BYTES = 8 * 2**30  # memory that `auto` lets all lanes of a program take together


class Mode(NamedTuple):
    """How a program runs; all of it decides bits, so all of it is part of a run's identity.

    name: "each" runs one after another, a run's bits being those of the run alone; "vmap" runs
        `width` of them at once in the lanes of one program, which do not depend on each other.
    width: lanes per device under "vmap"; 1 under "each".
    threads: threads per worker.
    mesh: axis -> devices, for one run over many devices ("data", "fsdp"); empty for none.
    """

    name: str = "each"
    width: int = 1
    threads: int = 1
    mesh: Mapping[str, int] = {}

    def numbers(self) -> dict[str, Any]:
        """What a run's identity holds of it.

        What has its default is left out, so that a later version can add to `Mode` without making
        every run anew.

        >>> Mode().numbers(), Mode("vmap", 8).numbers()
        ({'mode': 'each'}, {'mode': 'vmap', 'width': 8})
        """
        facts: dict[str, Any] = {"mode": self.name}
        if self.name == "vmap":
            facts["width"] = self.width
        if self.threads != 1:
            facts["threads"] = self.threads
        if self.mesh:
            facts["mesh"] = dict(self.mesh)
        return facts

    def lanes(self, devices: int) -> int:
        """How many runs one worker does together on its devices; 0 for one without an axis of lanes.

        Under "each" that is one a device, unless all devices share a run.

        >>> Mode("vmap", 8).lanes(1), Mode("vmap", 8).lanes(4), Mode().lanes(1), Mode().lanes(4)
        (8, 32, 0, 4)
        """
        if self.name == "vmap":
            return self.width * devices
        return devices if devices > 1 and not self.mesh else 0


EACH = Mode()


def chosen_width(lane_bytes: int) -> int:
    """Lanes per device for a program: a power of two that fits `LANES_BYTES`, 1 to `WIDEST`.

    Args:
        lane_bytes: memory that one lane's state and one step's intermediate values take.

    >>> chosen_width(2**20), chosen_width(10**9), chosen_width(10**12)
    (64, 8, 1)
    """
    fit = max(1, LANES_BYTES // max(1, lane_bytes))
    return min(WIDEST, 1 << (fit.bit_length() - 1))


def chosen_name(asked: str, backend: str, widths: Mapping[str, int]) -> str:
    """The mode of a study.

    Args:
        asked: "auto", "each" or "vmap".
        backend: `CPU` or `ACCELERATOR`.
        widths: program -> `chosen_width`, looked at only for "auto" on an accelerator; empty where
            an earlier plan of the study has settled on lanes.

    Returns:
        "each" or "vmap". `auto` is "each" on CPUs, where lanes gain nothing, and where a model is so
        large that only one fits: then "each" does the same without the lanes.
    """
    if asked != "auto":
        return asked
    alone = backend == CPU or min(widths.values(), default=2) < 2
    return "each" if alone else "vmap"
