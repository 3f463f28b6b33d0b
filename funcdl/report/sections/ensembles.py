"""All repeats of a method as one predictor: deep ensembles."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from funcdl.report.level import level
from funcdl.report.predicted import CLASSES, Predicted, together
from funcdl.report.question import Question
from funcdl.report.section import Grid
from funcdl.report.wording import listing, plain
from funcdl.stats.sequential import level_at


def ensembles(
    question: Question, task: str, kept: Mapping[str, list[Predicted]]
) -> tuple[Grid | None, list[str]]:
    """Each method's runs as one predictor: a table where there is one, and what it says.

    The gain of a method's runs together is one number per test example, so that its interval is over
    those, or over units of them; where the study looks several times it has the level of every look.

    Args:
        question: what was asked.
        task: "classification" or "regression".
        kept: method -> its finished runs.
    """
    coverage = level_at(question.alpha, question.looks)
    found = {label: together(runs, task, coverage) for label, runs in kept.items()}
    known = {label: one for label, one in found.items() if one is not None}
    if not known:
        several = any(len(runs) > 1 for runs in kept.values())
        alone = "Every repeat has a test set of its own, so no ensemble of repeats can be judged."
        return None, [alone] if several else []
    score = "NLL" if task == CLASSES else "mean squared error"
    rows = []
    for label, one in known.items():
        row = {"method": label, "members": one.members, f"{score} of one": one.alone}
        row |= {f"{score} of all": one.together, "gain": one.gain.mean}
        row |= {"gain low": one.gain.low, "gain high": one.gain.high}
        if task == CLASSES:
            row |= {"accuracy of one": one.right_alone, "accuracy of all": one.right_together}
            row |= {"disagreement": one.mutual}
        rows.append(row)
    mean = "probabilities" if task == CLASSES else "outputs"
    over = "units of test examples" if _belong(kept) else "test examples"
    caption = (
        f"The mean of the {mean} of a method's repeats as one predictor, and the mean of the repeats "
        f"alone; gain with its {level(question)} interval over {over}."
    )
    text = (
        f"All repeats of a method together are a deep ensemble: the mean of their {mean}. Its {score} "
        "cannot be worse than the members' mean. It is one predictor per method, so its numbers have no "
        f"interval over repeats; the gain's is over {over}, with these members."
    )
    if task == CLASSES:
        text += (
            " Disagreement is the mutual information of label and member in nats, the mean over test "
            "examples: the part of the uncertainty that training more members would show."
        )
    frame = pd.DataFrame(rows)
    if any(found[label] is None for label in found):
        left = listing([plain(label, 60) for label in found if found[label] is None])
        text += f" Left out, with a single repeat or with test sets that differ: {left}."
    return Grid("ensembles", caption, frame), [text]


def _belong(kept: Mapping[str, list[Predicted]]) -> bool:
    """Whether some test examples belong together."""
    every = [run.units for runs in kept.values() for run in runs]
    return any(units is not None and len(np.unique(units)) < len(units) for units in every)
