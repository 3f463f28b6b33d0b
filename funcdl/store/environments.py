"""The machines and versions that made a study's runs: `environments.json`, by digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from funcdl.errors import DamageError
from funcdl.store.files import read_whole, set_aside
from funcdl.store.sealed import read_sealed, write_sealed

NAME = "environments.json"
Facts = dict[str, str]  # such as {"jax": "0.10.2", "device": "cpu"}


def name_of(facts: Mapping[str, str]) -> str:
    """A short name for an environment: the start of the SHA-256 of its facts."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:16]


def read_environments(folder: Path) -> dict[str, Facts]:
    """The environments by name; of a damaged file those that still prove themselves.

    Raises:
        StoreError: if the file cannot be read.
    """
    path = folder / NAME
    try:
        return read_sealed(path)
    except FileNotFoundError:
        return {}
    except DamageError:
        try:
            found = json.loads(read_whole(path))
        except ValueError:
            return {}
    items = found.items() if isinstance(found, dict) else ()
    return {n: facts for n, facts in items if isinstance(facts, dict) and name_of(facts) == n}


def remember_environment(folder: Path, facts: Mapping[str, str]) -> str:
    """Adds an environment if it is new, and returns its name.

    Raises:
        StoreError: if it cannot be written.
    """
    name, known = name_of(facts), read_environments(folder)
    if name not in known:
        write_sealed(folder / NAME, {**known, name: dict(facts)})
    return name


def mend_environments(folder: Path) -> None:
    """Sets a damaged file aside, and writes what is left of it; for the folder's owner."""
    path = folder / NAME
    try:
        read_sealed(path)
    except FileNotFoundError:
        return
    except DamageError:
        known = read_environments(folder)
        set_aside(path)
        write_sealed(path, known)
