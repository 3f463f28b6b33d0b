"""A run's state to a checkpoint and back; nothing is taken that is not exactly as expected."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from funcdl.errors import StoreError
from funcdl.execute.runner import Saved
from funcdl.store import checkpoint
from funcdl.store.files import set_aside
from funcdl.types import State


def save(folder: Path, identity: str, state: State, progress: Mapping[str, Any]) -> Path:
    """Writes a run's state and progress; see `funcdl.store.checkpoint`."""
    arrays = {path: np.asarray(leaf) for path, leaf in _leaves(state)}
    return checkpoint.save(
        folder, checkpoint.Checkpoint(identity, int(state.step), arrays, progress)
    )


def restore(
    folder: Path, identity: str, template: State, report: Callable[..., None]
) -> Saved | None:
    """The newest checkpoint of a run that is whole and fits, or None.

    Args:
        folder: the study's checkpoints.
        identity: the run's id.
        template: a state of the run's program, for its structure, shapes and dtypes.
        report: called with an event's name and details for each checkpoint that is set aside.
    """
    bad = 0
    for path, found in checkpoint.newest(folder, identity):
        try:
            if isinstance(found, StoreError):
                raise found
            return Saved(_filled(template, found.arrays, path), found.progress)
        except StoreError as error:
            bad += 1
            report("checkpoint set aside", path=path.name, reason=str(error))
            with contextlib.suppress(StoreError):
                set_aside(path)
    if bad:
        report(
            "run starts again", run=identity, reason=f"none of its {bad} checkpoints can be used"
        )
    return None


def _leaves(state: Any) -> list[tuple[str, Any]]:
    return [
        (jax.tree_util.keystr(path), _plain(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    ]


def _plain(leaf: Any) -> Any:
    """Typed random keys (some optimizers hold one) as the words they are made of."""
    dtype = getattr(leaf, "dtype", np.float32)
    is_key = jnp.issubdtype(dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def _filled(template: State, arrays: Mapping[str, np.ndarray], path: Path) -> State:
    wanted = _leaves(template)
    if [name for name, _ in wanted] != list(arrays):
        raise StoreError(f"{path}: holds the state of another model or optimizer")
    for name, leaf in wanted:
        found = arrays[name]
        if found.shape != leaf.shape or found.dtype != leaf.dtype:
            raise StoreError(
                f"{path}: {name} is {found.dtype}{list(found.shape)}, "
                f"but the run has {leaf.dtype}{list(leaf.shape)}"
            )
    leaves = [
        jax.random.wrap_key_data(jnp.asarray(arrays[name]), impl=jax.random.key_impl(leaf))
        if _plain(leaf) is not leaf
        else arrays[name]
        for (name, _), leaf in zip(wanted, jax.tree.leaves(template), strict=True)
    ]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)
