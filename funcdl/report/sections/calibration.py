"""How far a study's predictions can be trusted, where it kept them or asked for such metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from funcdl.metrics.conformal import ALPHA
from funcdl.metrics.gaussian import pit
from funcdl.metrics.reliability import BINS, reliability
from funcdl.report.answer import Answer
from funcdl.report.figures.drawing import Drawing
from funcdl.report.figures.gallery import looks_in
from funcdl.report.figures.reliability import pit_diagram, reliability_diagram
from funcdl.report.level import level
from funcdl.report.material import Material
from funcdl.report.matrix import ranked
from funcdl.report.predicted import (
    CALIBRATION,
    CLASSES,
    CONFORMAL,
    NUMBERS,
    Predicted,
    predicted,
)
from funcdl.report.question import Question
from funcdl.report.record import Record, measured, records
from funcdl.report.section import Grid, Section
from funcdl.report.sections.ensembles import ensembles
from funcdl.report.spread import over, spread
from funcdl.report.wording import count, listing
from funcdl.tasks.summaries import SUMMARIES, Summary, named

TITLES = {
    CLASSES: "How far can its probabilities be trusted?",
    NUMBERS: "How far off may a prediction be?",
}
ABOUT = (
    "reliability",
    "temperature",
    "conformal",
    "gaussian",
)  # of funcdl.metrics; not F1 and its like
Columns = Mapping[str, Mapping[int, float]]  # what -> repeat -> a number


def calibration(material: Material, answer: Answer) -> Iterator[Section]:
    """A section per block whose task is funcdl's own, and whose predictions or such metrics there are."""
    question, table = material.question, records(answer.table)
    for block in question.blocks:
        task = question.tasks.get(block, "")
        if task not in TITLES:
            continue
        rows = ranked(table, block)
        kept = predicted(material, block)
        kept = {row["method"]: kept[row["method"]] for row in rows if row["method"] in kept}
        if kept:
            yield _of_predictions(question, block, task, rows, kept)
            continue
        asked = _asked(question, records(material.runs), task, rows, block)
        if asked is not None:
            said = (_speaks(question, [row["n"] for row in rows]), *_fitted(task))
            yield Section("calibration", TITLES[task], block, said, (asked,))


def _of_predictions(
    question: Question,
    block: str,
    task: str,
    rows: list[Record],
    kept: Mapping[str, list[Predicted]],
) -> Section:
    paragraphs = [_speaks(question, [len(runs) for runs in kept.values()]), *_reading(task)]
    grids = [
        Grid(
            "calibration",
            _caption(question, task),
            _means(question, block, kept, CALIBRATION[task]),
        )
    ]
    if task in CONFORMAL:
        caption = (
            f"Sets of labels that should hold the true one in {100 * (1 - ALPHA):g} % of the cases: the "
            f"share of test examples where they do, and how many labels they hold. {_half(question)}"
        )
        grids.append(Grid("conformal", caption, _means(question, block, kept, CONFORMAL[task])))
        paragraphs.append(_coverage(kept))
    joint, words = ensembles(question, task, kept)
    paragraphs += words
    grids += [joint] if joint is not None else []
    drawing = _drawing(question, block, task, rows, kept)
    return Section(
        "calibration",
        TITLES[task],
        block,
        tuple(paragraphs),
        tuple(grids),
        (drawing,) if drawing else (),
    )


def _speaks(question: Question, repeats: Sequence[int]) -> str:
    """What the numbers are of."""
    some = sorted({n for n in repeats if n})
    if not some:
        return "No repeat was measured yet."
    n = f"{some[0]}" if len(some) == 1 else f"{some[0]} to {some[-1]}"
    noun = "repeat" if some[-1] == 1 else "repeats"
    if "split" in question.vary:
        return f"Each number is of test data, the mean over {n} {noun} with test sets of their own."
    varied = f", which differ in {listing(list(question.vary), most=6)}" if question.vary else ""
    return (
        f"Each number is of the test set, the mean over {n} {noun}{varied}. They describe, and are not "
        "tested; the verdicts above are of the metric that methods are compared by."
    )


def _reading(task: str) -> Iterator[str]:
    if task == NUMBERS:
        yield (
            "The model gives one number and not how far off it may be. Two answers, both set on "
            f"validation data alone: a Gaussian with one variance, whose {100 * (1 - ALPHA):g} % interval "
            "and negative log-likelihood are shown, and split conformal intervals, which need no shape "
            "of the errors: they hold the truth at least that often if validation and test data are "
            "alike."
        )
        return
    yield (
        "A model that says 80 % should be right in 80 % of such cases. NLL and Brier are proper scores: "
        "lower is better, and no distortion of probabilities makes them better on average. ECE is the "
        f"mean gap between confidence and the share that is right, over {BINS} bins of equal width, "
        "closed on the right; it is above 0 even for perfect probabilities, more so the fewer test "
        "examples there are. Temperature scaling divides all logits by one number, fitted on validation "
        "data: above 1 the model was too sure of itself. It changes no predicted label."
    )


def _fitted(task: str) -> Iterator[str]:
    if task == CLASSES:
        yield (
            "Whatever is fitted (temperature, conformal thresholds) is fitted on validation data. "
            "Calibration errors are above 0 even for perfect probabilities; read them beside the proper "
            "scores, loss (the negative log-likelihood) and Brier."
        )


def _half(question: Question) -> str:
    return f"± is half the {level(question)} interval {over(question)}."


def _caption(question: Question, task: str) -> str:
    if task == NUMBERS:
        return (
            "Errors on the test set and what is said about their size; coverages should be "
            f"{1 - ALPHA:g}. {_half(question)}"
        )
    return f"Scores of the probabilities, before and after temperature scaling. {_half(question)}"


def _means(
    question: Question,
    block: str,
    kept: Mapping[str, list[Predicted]],
    measures: Callable[[Predicted], dict[str, float]],
) -> pd.DataFrame:
    rows = []
    for label, runs in kept.items():
        found = [measures(run) for run in runs]
        repeats = [run.repeat for run in runs]
        columns = {
            name: dict(zip(repeats, [one[name] for one in found], strict=True)) for name in found[0]
        }
        rows.append(_row(question, (block, label), columns))
    return pd.DataFrame(rows)


def _row(question: Question, place: tuple[str, str], columns: Columns) -> Record:
    row: Record = {"method": place[1], "repeats": max(map(len, columns.values()), default=0)}
    for name, values in columns.items():
        found = spread(question, place, values)
        infinite = any(map(math.isinf, values.values()))
        row[name] = np.inf if infinite else found.mean
        known = found.low is not None and found.high is not None and not infinite
        row[f"{name} ±"] = (found.high - found.low) / 2 if known else None  # type: ignore[operator]
    return row


def _coverage(kept: Mapping[str, list[Predicted]]) -> str:
    runs = [run for each in kept.values() for run in each]
    n, tested = min(len(run.validation[1]) for run in runs), min(len(run.test[1]) for run in runs)
    # A coverage varies with the test examples, and with the validation examples that set the bar.
    sd = float(np.sqrt(ALPHA * (1 - ALPHA) * (1 / tested + 1 / (n + 2))))
    return (
        "Split conformal prediction: a label is in the set if its probability is not lower than the bar "
        f"that {100 * (1 - ALPHA):g} % of the true labels of {count(n, 'validation example')} pass. That "
        "holds whatever the model, on average over such data, if validation and test data are alike. With "
        f"{count(tested, 'test example')} a coverage within {2 * sd:.3f} of {1 - ALPHA:g} is no surprise. "
        "Validation data also chose what is measured here, which may cost a little of it."
    )


def _asked(
    question: Question, runs: list[Record], task: str, rows: list[Record], block: str
) -> Grid | None:
    """The means of the metrics of what predictions are worth as such, which the study asked for."""
    done = [run for run in measured(runs, question.metric) if run["status"] == "ok"]
    done = [run for run in done if run["block"] == block]
    names = list(dict.fromkeys(key for run in done for key in run if key.startswith("test/")))
    words = {name: name.removeprefix("test/") for name in names}
    whole = [n for n, word in words.items() if _is_about(named(task, word)[1])]
    if not whole:
        return None
    lines = []
    for row in rows:
        mine = [run for run in done if run["method"] == row["method"]]
        if mine:
            columns = {
                words[name]: {r["repeat"]: float(r[name]) for r in mine if r.get(name) is not None}
                for name in sorted(whole)
            }
            lines.append(_row(question, (block, row["method"]), columns))
    fitted = [name for name, summary in SUMMARIES[task].items() if summary.fitted]
    used = sorted({named(task, words[name])[0] for name in whole} & set(fitted))
    note = f" Fitted on validation data: {listing(used, most=8)}." if used else ""
    caption = f"The metrics of whole splits that the study asked for. {_half(question)}{note}"
    return Grid("metrics", caption, pd.DataFrame(lines))


def _is_about(summary: Summary | None) -> bool:
    return summary is not None and summary.target.split(":")[0].split(".")[-1] in ABOUT


def _drawing(
    question: Question,
    block: str,
    task: str,
    rows: list[Record],
    kept: Mapping[str, list[Predicted]],
) -> Drawing | None:
    looks = looks_in(question, rows, block)
    if task == NUMBERS:
        found = {
            label: np.concatenate([pit(run.test, run.validation).ravel() for run in runs])
            for label, runs in kept.items()
        }
        return pit_diagram(block, found, looks)
    bins = {
        label: reliability(
            np.concatenate([run.test[0] for run in runs]),
            np.concatenate([run.test[1] for run in runs]),
        )
        for label, runs in kept.items()
    }
    return reliability_diagram(block, bins, looks)
