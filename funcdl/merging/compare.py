"""`fd.compare`: studies of several people or machines as one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from funcdl.errors import StoreError
from funcdl.merging.agreement import IRREPRODUCIBLE, distributions
from funcdl.merging.join import join_question, join_rows
from funcdl.merging.match import check
from funcdl.merging.methods import merge
from funcdl.merging.source import Source, read_sources
from funcdl.merging.tables import agreement_table, folders, notes, sentences
from funcdl.report.material import Material
from funcdl.results import Results


class Comparison(Results):
    """What several studies found together: `Results`, whose runs come from several folders.

    sources: names of the folders, as the answer uses them.
    folder: where the report was written; that of the first study if none was asked for.
    reproduced: whether every config that several folders hold has the same bits wherever its
        environment is the same, and nowhere another distribution.
    """

    def __init__(self, sources: Sequence[Source], command: str, out: Path | None = None):
        """Use `compare`."""
        methods, agreements = merge(sources)
        judged = list(
            zip(agreements, distributions(agreements, sources[0].question.alpha), strict=True)
        )
        joined = join_rows(sources, methods)
        worries = [f"{text[0].upper()}{text[1:]}." for text in sentences(judged)]
        question = join_question(sources, methods, command, worries, tuple(notes(judged)))
        super().__init__(out or sources[0].path, question, joined.rows)
        self.sources = tuple(source.name for source in sources)
        self.reproduced = not any(
            one.kind == IRREPRODUCIBLE or (found is not None and found.differ)
            for one, found in judged
        )
        self._origins, self._sources = joined.origins, sources
        self._tables = {"folders": folders(sources), "agreement": agreement_table(judged)}

    @property
    def agreement(self) -> pd.DataFrame:
        """One row per config and two folders that hold it: equal runs, and both distributions."""
        return self._tables["agreement"]

    @property
    def material(self) -> Material:
        """What the report is made from."""
        return super().material._replace(joined=self._tables)

    @cached_property
    def _kept(self) -> dict[str, dict[str, np.ndarray]]:
        """As that of `Results`, from all folders; an id that two of them have stands for each."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for source in self._sources:
            mine = {old: new for new, (home, old) in self._origins.items() if home is source}
            for kind, arrays in source.results._kept.items():
                targets = kind.endswith(" targets")
                kept = {
                    key if targets else mine[key]: array
                    for key, array in arrays.items()
                    if targets or key in mine
                }
                found.setdefault(kind, {}).update(kept)
        return found

    @cached_property
    def _units(self) -> Mapping[str, np.ndarray]:
        return {
            key: unit for source in self._sources for key, unit in source.results._units.items()
        }

    def __repr__(self) -> str:
        """The folders and how many runs they hold together."""
        return f"Comparison({', '.join(self.sources)}: {len(self.runs)} runs)"


def compare(
    folders: Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str] | None = None,
    command: str | None = None,
) -> Comparison:
    """Joins studies of several people or machines into one answer; their folders are only read.

    Methods are compared repeat by repeat where their runs share seed, data, mode and precision; runs of
    another seed are further repeats, or, of methods that have no repeat in common, independent samples
    (Welch's test). The same config in two folders is checked: runs that are the same bit by bit count
    once, others are told apart, and their distributions are compared.

    Args:
        folders: what `funcdl run` made, two or more; finished studies.
        out: where the report is written, as `out/report`; nowhere if left out.
        command: how the report says it was asked for.

    Raises:
        StoreError: if a folder is no finished, whole study, or numbers of different kinds would be
            compared: other data, metric, selection, mode, width or precision.
    """
    if isinstance(folders, str | os.PathLike):
        raise TypeError(
            f"folders={folders!r}; give a list of folders, such as ['runs/a', 'runs/b']"
        )
    sources = read_sources(folders)
    check(sources)
    if out is not None:
        _check_out(Path(out), sources)
    words = ["funcdl", "compare", *(str(source.path) for source in sources)]
    words += [] if out is None else ["--out", str(out)]
    found = Comparison(sources, command or shlex.join(words), None if out is None else Path(out))
    if out is not None:
        from funcdl.report.folder import write
        from funcdl.store.files import explained, make_folder

        with explained(Path(out)):
            make_folder(Path(out))
        write(Path(out), found.material)
    return found


def _check_out(out: Path, sources: Sequence[Source]) -> None:
    """Refuse to write into a study."""
    for place in (out.resolve(), *out.resolve().parents):
        for source in sources:
            if place == source.path.resolve():
                raise StoreError(
                    f"{out}: lies in the study {source.path}, which is only read; choose another --out"
                )
    if (out / "plan.json").exists():
        raise StoreError(f"{out}: holds a study; choose another --out for the joined report")
