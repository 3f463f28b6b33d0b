"""What was learnt from and judged by: sizes, splits, classes, and examples that splits share."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from funcdl.report.answer import Answer
from funcdl.report.material import Material
from funcdl.report.question import Holding
from funcdl.report.section import Grid, Section
from funcdl.report.wording import listing, plain

MOST = 30  # classes in a table
SPLITS = ("training", "validation", "test")


def data(material: Material, answer: Answer) -> Iterator[Section]:
    """One section for all data sets of the study."""
    found = material.question.holdings
    if not found:
        return
    grids = [_classes(one, i, len(found)) for i, one in enumerate(found) if _has_classes(one)]
    yield Section("data", "The data", paragraphs=tuple(map(_said, found)), grids=tuple(grids))


def _said(one: Holding) -> str:
    train, validation, test = one.sizes
    blocks = [plain(block, 40) for block in one.blocks if block]
    where = f" (in {listing(blocks)})" if blocks else ""
    rule = f"split {one.rule}" if one.rule else "which came split"
    text = (
        f"{plain(one.name, 60)}{where}: {sum(one.sizes) + one.unlabelled:,} examples, {rule}. "
        f"{train:,} are trained on, "
        f"{validation:,} (validation) choose among trials, and {test:,} (test) are what methods are judged "
        "by; nothing is chosen by them."
    )
    if one.unlabelled:
        text += f" The labels of {one.unlabelled:,} more training examples are hidden."
    if one.splits > 1:
        text += f" Each of {one.splits} repeats has another split; counts are those of the first."
    if one.shared is None:
        return text + " Whether splits share examples was not looked for: the data are large."
    if not any(one.shared):
        return text + " No two splits share an example with the same inputs."
    return text + " " + repeated(one)


def repeated(one: Holding) -> str:
    """How many examples are in more than one split."""
    if one.shared is None or not any(one.shared):
        return ""
    trained, validation, chosen = one.shared
    _, of_validation, of_test = one.sizes
    parts = [
        (trained, of_test, "test", "training"),
        (validation, of_validation, "validation", "training"),
        (chosen, of_test, "test", "validation"),
    ]
    told = [f"{n:,} of {of:,} {a} examples in the {b} split" for n, of, a, b in parts if n]
    return f"Found again with the same inputs: {listing(told, most=3)}."


def _has_classes(one: Holding) -> bool:
    return bool(one.counts) and 1 < len(one.counts[0]) <= MOST


def _classes(one: Holding, index: int, of: int) -> Grid:
    k = len(one.counts[0])
    names = [*one.classes, *map(str, range(len(one.classes), k))]
    columns: dict[str, list[object]] = {"class": [plain(name, 40) for name in names]}
    for name, counts in zip(SPLITS, one.counts, strict=True):
        columns[name] = list(counts)
    caption = f"Examples of each of the {k} classes of {plain(one.name, 60)} by split."
    return Grid("data" if of == 1 else f"data-{index + 1}", caption, pd.DataFrame(columns))
