"""How soon each method reaches the target that the study set, where it set one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from funcdl.report.answer import Answer
from funcdl.report.arrivals import Arrivals, Race, race
from funcdl.report.figures.drawing import Drawing, axis_title
from funcdl.report.figures.survival import survival
from funcdl.report.level import level
from funcdl.report.material import Material
from funcdl.report.matrix import ranked
from funcdl.report.question import Question
from funcdl.report.record import records
from funcdl.report.section import Grid, Section
from funcdl.report.sections.pooled import chosen
from funcdl.report.spread import independent, over, spread
from funcdl.report.wording import count, listing, plain
from funcdl.stats.across.algoperf import algoperf_score, median_time
from funcdl.stats.across.survival import Restricted, kaplan_meier, restricted_mean
from funcdl.stats.sequential import level_at

TITLE = "How soon the target is reached"
LONGEST = 4.0  # times the fastest; later arrivals earn nothing


def target(material: Material, answer: Answer) -> Iterator[Section]:
    """A section per block that has a target, and one over them with the AlgoPerf score."""
    question = material.question
    if not question.targets or not len(material.metrics):
        return
    table = records(answer.table)
    races: dict[str, Race] = {}
    for block in question.blocks:
        if block not in question.targets:
            continue
        found = race(material, block)
        if found.arrivals:
            races[block] = found
            labels = [row["method"] for row in ranked(table, block)]
            yield _section(question, block, found, labels)
    if len(races) > 1:
        yield from _over_problems(races)


def _section(question: Question, block: str, found: Race, labels: list[str]) -> Section:
    here = [label for label in labels if label in found.arrivals]
    missing = [plain(label, 60) for label in labels if label not in found.arrivals]
    goal = f"{question.targets[block]:g}"
    side = "at least" if question.mode == "max" else "at most"
    words = f"{axis_title(question.selected_by)} of {side} {goal}"
    paragraphs = [
        f"When does a measured run first show {words}? It is looked at at every evaluation, the first "
        f"at step {found.every:g}, and nothing is interpolated between them. A run that ends on its way "
        "counts as still on its way up to there (censored), one that diverges as never arriving. The "
        "search for the hyperparameters is not counted.",
    ]
    if missing:
        paragraphs.append(f"Without a validation curve, and so left out: {listing(missing)}.")
    none = [plain(label, 60) for label in here if not found.arrivals[label].reached.any()]
    if none:
        paragraphs.append(f"In no run was it reached by {listing(none)}.")
    rows = [_row(question, (block, label), found.arrivals[label], found) for label in here]
    frame = pd.DataFrame(rows)
    if not frame["remark"].any():
        frame = frame.drop(columns="remark")
    return Section(
        "target",
        TITLE,
        block,
        tuple(paragraphs),
        (Grid("target", _caption(question, found), frame),),
        _drawings(found, here, block, words),
    )


def _row(
    question: Question, place: tuple[str, str], one: Arrivals, found: Race
) -> dict[str, object]:
    row: dict[str, object] = {
        "method": place[1],
        "runs": len(one.reached),
        "reached": int(one.reached.sum()),
    }
    remarks: list[str] = []
    each = (("steps", one.steps, found.steps), ("seconds", one.seconds, found.seconds))
    for (unit, taken, horizon), times in zip(each, one.times, strict=True):
        row[f"median {unit}"] = median_time(times)
        if horizon > 0:
            mean = _mean(question, place, one, taken, horizon)
            row |= {f"mean {unit}": mean.mean, f"{unit} low": mean.low, f"{unit} high": mean.high}
            remarks += [f"{unit}: {mean.reason}"] if mean.reason else []
    return row | {"remark": "; ".join(remarks)}


def _mean(
    question: Question, place: tuple[str, str], one: Arrivals, taken: np.ndarray, horizon: float
) -> Restricted:
    """The restricted mean; its interval is that of how the repeats were drawn."""
    coverage = level_at(question.alpha, question.looks)
    found = restricted_mean(taken, one.reached, horizon, coverage)
    if independent(question) or found.low is None:
        return found
    if not (one.reached | (taken >= horizon)).all():
        why = "some runs ended on their way, and repeats are not independent: no interval"
        return found._replace(low=None, high=None, reason=why)
    times = np.minimum(taken, horizon).tolist()
    each = dict(zip(one.repeats.tolist(), times, strict=True))
    ends = spread(question, place, each)
    if ends.low is None or ends.high is None:
        return found._replace(low=None, high=None, reason=ends.reason)
    return found._replace(low=max(0.0, ends.low), high=min(horizon, ends.high))


def _caption(question: Question, found: Race) -> str:
    return (
        "Runs that reached the target, and after how many steps and seconds. The median counts a miss "
        "as infinite. The mean is the restricted mean up to "
        f"{_amount(found.steps, 'step')} and {_amount(found.seconds, 'second')}, as far as all methods can "
        "be followed: of the time to the target, or of that limit where it comes first, with "
        f"{level(question)} intervals {over(question)}. A run's seconds are spread evenly over its steps; "
        "they were measured on this machine, beside whatever else it did."
    )


def _amount(number: float, noun: str) -> str:
    """A number that need not be whole, with its unit.

    >>> _amount(1.0, "step"), _amount(0.25, "second")
    ('1 step', '0.25 seconds')
    """
    text = f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
    return f"{text} {noun}" if text == "1" else f"{text} {noun}s"


def _drawings(found: Race, labels: list[str], block: str, words: str) -> tuple[Drawing, ...]:
    if not any(found.arrivals[label].reached.any() for label in labels):
        return ()
    curves = {
        label: kaplan_meier(found.arrivals[label].steps, found.arrivals[label].reached)
        for label in labels
    }
    ends = [float(found.arrivals[label].steps.max()) for label in labels]
    horizon = max(*ends, found.steps) if ends else found.steps
    return (survival(curves, chosen(labels), block=block, horizon=horizon, target=words),)


def _over_problems(races: dict[str, Race]) -> Iterator[Section]:
    """The AlgoPerf score of the methods that were timed on every problem with a target."""
    each = [list(one.arrivals) for one in races.values()]
    labels = [label for label in each[0] if all(label in names for names in each)]
    if len(labels) < 2:
        return
    steps, seconds = (
        np.array(
            [[median_time(one.arrivals[m].times[i]) for one in races.values()] for m in labels]
        )
        for i in (0, 1)
    )
    scores = {"score by steps": algoperf_score(steps, LONGEST)}
    if np.min(seconds) > 0:
        scores["score by seconds"] = algoperf_score(seconds, LONGEST)
    reached = np.isfinite(steps).sum(axis=1)
    frame = pd.DataFrame({"method": labels, "problems reached": reached, **scores})
    frame = frame.sort_values("score by steps", ascending=False, kind="stable", ignore_index=True)
    paragraph = (
        "The AlgoPerf score sums up how soon the targets are reached: 1 for a method that is the "
        f"fastest on every problem, nothing on a problem for one that takes {LONGEST:g} times as long as "
        "the fastest or whose median run misses. It is relative to the fastest of this pool: another "
        "method in it changes the scores of all."
    )
    over = count(len(races), "problem")
    caption = f"AlgoPerf score over {over}, from the median time of the measured runs."
    yield Section(
        "algoperf", "Speed over all problems", "", (paragraph,), (Grid("algoperf", caption, frame),)
    )
