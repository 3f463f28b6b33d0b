"""Somebody who hears of runs while they are done, and must not get in their way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from funcdl.store.ledger import Label
from funcdl.store.row import Row


class Listener(Protocol):
    """Called by the supervisor; neither call may raise, or take long."""

    def looked(
        self, label: Label, recipe: Mapping[str, Any], step: int, values: Mapping[str, float]
    ) -> None:
        """A run has looked at its validation split; the values are those of its curves."""
        ...

    def finished(self, row: Row) -> None:
        """A run has ended."""
        ...


class Nobody:
    """A listener for studies that nobody listens to."""

    def looked(
        self, label: Label, recipe: Mapping[str, Any], step: int, values: Mapping[str, float]
    ) -> None:
        """Nothing."""

    def finished(self, row: Row) -> None:
        """Nothing."""
