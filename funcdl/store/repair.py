"""What the owner of a study's folder does about damaged files, before anything else."""

from __future__ import annotations

from pathlib import Path

from funcdl.store.environments import mend_environments
from funcdl.store.log import log_event, mend_log
from funcdl.store.manifest import (
    Damage,
    find_damage,
    remove_files,
    remove_manifest,
    report_files,
)


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
    """Takes the manifest and the report away, before anything changes that they speak of.

    Manifest and page are written last: while they are not there, there is something left to do.

    Raises:
        StoreError: if they cannot be removed.
    """
    names = report_files(folder)
    remove_manifest(folder)
    remove_files(folder, list(dict.fromkeys(["report/index.html", *names])))
