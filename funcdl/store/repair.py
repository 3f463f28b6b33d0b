"""What the owner of a study's folder does about damaged files, before anything else."""

from __future__ import annotations

from pathlib import Path

from funcdl.store import fault
from funcdl.store.environments import mend_environments
from funcdl.store.files import explained
from funcdl.store.log import log_event, mend_log
from funcdl.store.manifest import Damage, find_damage, remove_manifest


def repair(folder: Path) -> list[Damage]:
    """Finds what is not as it was written, notes it in the log, and mends the log and its like.

    What follows from the study or from its rows (the description, the report) is written anew by
    the caller; damaged rows and checkpoints are set aside by who reads them.

    Args:
        folder: the study's folder, held by this process.

    Returns:
        What was found.

    Raises:
        StoreError: if the folder cannot be read or written.
    """
    found = find_damage(folder)
    if found:
        remove_manifest(folder)
        mend_log(folder)
        for path, problem in found:
            log_event(folder, "damaged file", path=path, problem=problem)
        mend_environments(folder)
    return found


def remove_report(folder: Path) -> None:
    """Takes the manifest and the report's page away, before anything changes that they speak of.

    They are written last: while they are not there, there is something left to do.

    Raises:
        StoreError: if they cannot be removed.
    """
    remove_manifest(folder)
    page = folder / "report" / "index.html"
    with explained(page):
        fault.passed("report.unlink")
        page.unlink(missing_ok=True)
