"""How a whole study is carried out: `mode`, `width`, `threads`, `mesh`. No axis may hold them."""

from __future__ import annotations

from collections.abc import Iterator

from funcdl.config.node import Node
from funcdl.errors import Problem

ENGINE = ("mode", "width", "threads", "mesh")
"""They decide bits, so two methods that differed in one would not be compared fairly."""


def of_the_engine(key: str) -> str:
    """What to say of such a key (or a part of it) on an axis; empty for any other key."""
    if key.split(".")[0] not in ENGINE:
        return ""
    return (
        f"{key} holds for the whole study, since it changes bits and a comparison never mixes "
        f"modes; set it at the top level, or give each value a study of its own"
    )


def engine_problems(tree: Node) -> Iterator[Problem]:
    """Engine keys that contradict each other; each alone was checked already."""
    mode, width, mesh = (tree.child(key) for key in ("mode", "width", "mesh"))
    name = mode.value if mode is not None else "auto"
    if mesh is not None and name == "vmap":
        yield mesh.problem(
            "a mesh puts one run on many devices, mode vmap many runs on each; remove one", "mesh"
        )
    elif width is not None and (name == "each" or mesh is not None):
        why = "mode is each" if name == "each" else "a mesh runs one after another"
        yield width.problem(
            f"the number of lanes of mode vmap, but {why}; remove width, or set mode: vmap"
            + (" without a mesh" if mesh is not None else ""),
            "width",
        )
