"""Where the variance between runs comes from, in a study that crosses its random streams."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from funcdl.report.answer import Answer
from funcdl.report.figures.variance import READABLE, shares
from funcdl.report.material import Material
from funcdl.report.matrix import ranked
from funcdl.report.question import Question
from funcdl.report.record import Record, measured, records
from funcdl.report.section import Grid, Section
from funcdl.report.wording import count, listing, plain
from funcdl.stats.components import COMBINATION, Components, Source, decompose

TITLE = "Where the variance comes from"


def variance(material: Material, answer: Answer) -> Iterator[Section]:
    """A section per block, where two or more random streams are crossed."""
    question = material.question
    if len(question.cross) < 2:
        return
    runs = measured(records(material.runs), question.metric)
    table = records(answer.table)
    for block in question.blocks:
        mine = [run for run in runs if run["block"] == block]
        labels = [row["method"] for row in ranked(table, block)]
        found = [(label, _components(question, label, mine)) for label in labels]
        if any(run["status"] == "ok" for run in mine):
            yield _section(question, block, found)


def _components(question: Question, label: str, runs: list[Record]) -> Components:
    """The decomposition of one method's runs."""
    shape = tuple(question.cross.values())
    cells = np.full(int(np.prod(shape)), np.nan)
    for run in runs:
        settled = run["method"] == label and run["status"] == "ok" and question.metric in run
        if settled and 0 <= run["repeat"] < len(cells):
            cells[run["repeat"]] = run[question.metric]
    return decompose(cells.reshape(shape), list(question.cross), 1 - question.alpha)


def _section(question: Question, block: str, found: list[tuple[str, Components]]) -> Section:
    level = f"{100 * (1 - question.alpha):g} %"
    known = [(label, parts) for label, parts in found if parts.sources]
    paragraphs = (_shown(question), _reading(level), *_said(question, known), *_refused(found))
    drawing = shares(question.metric, block, found, level)
    if len(known) > READABLE:
        paragraphs += (f"The figure shows the first {READABLE} of {len(known)} methods by rank.",)
    caption = (
        f"Standard deviation of single runs in {plain(question.metric, 60)} that each source "
        f"causes, and its share of their variance, with {level} intervals."
    )
    grids = (Grid("variance", caption, _frame(found)),) if known else ()
    drawings = (drawing,) if drawing else ()
    return Section("variance", TITLE, block, paragraphs, grids, drawings)


def _shown(question: Question) -> str:
    streams = [f"{size} values of {name}" for name, size in question.cross.items()]
    runs = int(np.prod(list(question.cross.values())))
    metric = plain(question.metric, 60)
    if "split" in question.cross:
        held = (
            "every other stream and the hyperparameters stayed the same. Each split has a test set "
        )
        held += f"of its own, so the share of split is that of which examples {metric} is taken on"
    else:
        held = "every other stream, the hyperparameters and the test set stayed the same. So these "
        held += f"shares speak of {metric} on this test set"
    return (
        "How much of the difference between two runs of one method is due to which of its random "
        f"streams? Each method was run with every combination of {listing(streams, most=6)}, "
        f"{count(runs, 'run')} in all; {held}."
    )


def _reading(level: str) -> str:
    return (
        f"A share is the part of the variance of a single run that would be gone if that stream "
        f'always drew the same value; "{COMBINATION}" is what depends on which value of one stream '
        f"meets which of another, and includes a machine that does not repeat itself. Whiskers are "
        f"{level} intervals: where they are as wide as the panel, the number of values per stream, "
        f"not the number of runs, is too small to say more."
    )


def _said(question: Question, known: list[tuple[str, Components]]) -> Iterator[str]:
    """Which source leads, for which methods; and for which that cannot be told."""
    names = [*question.cross, COMBINATION]
    for i, name in enumerate(names):
        led = [(plain(label, 60), parts.sources[i]) for label, parts in known]
        led = [pair for pair, (_, parts) in zip(led, known, strict=True) if parts.leading == name]
        if led:
            each = listing([f"{label} ({_percent(one)})" for label, one in led])
            what = "what streams do in combination" if name == COMBINATION else plain(name, 40)
            yield f"The largest source is {what} for {each}."
    unclear = [plain(label, 60) for label, parts in known if parts.leading is None]
    if unclear:
        sizes = " x ".join(str(size) for size in question.cross.values())
        yield f"{sizes} runs are too few to say which source is the largest for {listing(unclear)}."


def _refused(found: list[tuple[str, Components]]) -> Iterator[str]:
    """Why some methods have no shares, one sentence per reason."""
    alike: dict[str, list[str]] = {}
    for label, parts in found:
        if parts.reason:
            alike.setdefault(parts.reason, []).append(plain(label, 60))
    for reason, labels in alike.items():
        yield f"Not given for {listing(labels)}: {reason}."


def _percent(source: Source) -> str:
    return f"{100 * source.share:.0f} %, {100 * source.low:.0f} to {100 * source.high:.0f}"


def _frame(found: list[tuple[str, Components]]) -> pd.DataFrame:
    rows = [
        (label, parts.n, parts.sd, source.name, *source[1:])
        for label, parts in found
        for source in (*parts.sources, *parts.interactions)
    ]
    columns = ["method", "runs", "sd of a run", "source", "sd", "sd low", "sd high"]
    return pd.DataFrame(rows, columns=[*columns, "share", "share low", "share high"])
