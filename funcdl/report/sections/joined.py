"""Of several studies that were joined: where the runs come from, and how those agree that are double."""

from __future__ import annotations

from collections.abc import Iterator

from funcdl.report.answer import Answer
from funcdl.report.material import Material
from funcdl.report.section import Grid, Section


def joined(material: Material, answer: Answer) -> Iterator[Section]:
    """A section on the folders, where there are several."""
    folders = material.joined.get("folders")
    if folders is None:
        return
    agreement = material.joined.get("agreement")
    grids = [Grid("folders", "Where the runs come from.", folders)]
    paragraphs = [
        f"The answer joins {len(folders)} studies, each in a folder of its own. Methods "
        "are compared repeat by repeat where their runs share a seed, data, mode and precision."
    ]
    if agreement is not None and len(agreement):
        paragraphs.append(
            "Some configs were run in more than one folder. Runs whose every bit is the same confirm "
            "each other and count once. Where bits differ, the distributions of the metric are "
            "compared: by Welch's t-test of the means and by Kolmogorov and Smirnov's test of the "
            "whole, with Holm's correction over all of them; a small p says that the same config did "
            "not give the same distribution."
        )
        grids.append(Grid("agreement", "The same config in several folders.", agreement))
    yield Section("joined", "Where the runs come from", "", tuple(paragraphs), tuple(grids))
