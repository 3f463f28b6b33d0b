"""A methods paragraph for a paper: what was done, in plain sentences, from what the study states."""

from __future__ import annotations

from collections.abc import Iterator

from funcdl.report.answer import Answer
from funcdl.report.display import level
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.wording import count, listing, plain

VERSIONS = ("funcdl", "jax", "flax", "optax")
NAMES = {"funcdl": "funcdl", "jax": "JAX", "flax": "Flax", "optax": "Optax"}
REFERENCES = {
    "holm": "S. Holm, A simple sequentially rejective multiple test procedure, "
    "Scandinavian Journal of Statistics 6 (1979) 65–70",
    "tost": "D. J. Schuirmann, A comparison of the two one-sided tests procedure and the power "
    "approach, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987) 657–680",
    "splits": "C. Nadeau, Y. Bengio, Inference for the generalization error, "
    "Machine Learning 52 (2003) 239–281",
    "satterthwaite": "F. E. Satterthwaite, An approximate distribution of estimates of variance "
    "components, Biometrics Bulletin 2 (1946) 110–114",
    "welch": "B. L. Welch, The generalization of 'Student's' problem when several different population "
    "variances are involved, Biometrika 34 (1947) 28–35",
    "halving": "K. Jamieson, A. Talwalkar, Non-stochastic best arm identification and hyperparameter "
    "optimization, AISTATS (2016)",
}


def methods(question: Question, answer: Answer) -> list[str]:
    """Paragraphs: what was compared and how trained, how tuned, how measured and tested, references.

    Args:
        question: what was asked.
        answer: what was found; its comparisons name the populations that were tested.
    """
    pairs = records(answer.comparisons)
    cited: list[str] = []
    paragraphs = (
        _compared(question),
        _tuned(question, cited),
        _measured(question),
        _tested(question, pairs, cited),
        _made_with(question),
    )
    found = [" ".join(sentences) for part in paragraphs if (sentences := list(part))]
    if cited:
        listed = [f"[{i}] {REFERENCES[name]}." for i, name in enumerate(cited, 1)]
        found.append("References: " + " ".join(listed))
    return found


def _compared(question: Question) -> Iterator[str]:
    setting = question.setting
    names = [plain(name, 60) for name in dict.fromkeys(label for _, label in question.methods)]
    where = f" on {plain(setting['data'])}" if setting.get("data") else ""
    task = f" ({plain(setting['task'])})" if setting.get("task") else ""
    what = f"We compared {count(len(names), 'method')} ({listing(names, 8)})"
    yield (what if len(names) > 1 else f"We measured {names[0] if names else 'no method'}") + (
        f"{where}{task}"
        + (
            f", on each of {count(len(question.blocks), 'problem')}"
            if len(question.blocks) > 1
            else ""
        )
        + "."
    )
    if setting.get("examples"):
        yield f"The data were split into {plain(setting['examples'])} examples."
    parts = [
        f"{name} {plain(setting[key])}"
        for key, name in (
            ("batch size", "a batch size of"),
            ("schedule", "the learning-rate schedule"),
        )
        if setting.get(key)
    ]
    if setting.get("steps"):
        rest = f", with {listing(parts)}" if parts else ""
        yield f"Each model was trained for {plain(setting['steps'])} steps{rest}."


def _tuned(question: Question, cited: list[str]) -> Iterator[str]:
    if not question.trials:
        return
    spaces: dict[tuple[str, str], int] = {}
    for of_method in question.spaces.values():
        for item in of_method.items():
            spaces[item] = spaces.get(item, 0) + 1
    total = len(question.methods)
    said = [
        f"{plain(key)} in {plain(space)}" + ("" if n == total else f" ({count(n, 'method')})")
        for (key, space), n in spaces.items()
    ]
    yield (
        f"For each method {'and problem ' if len(question.blocks) > 1 else ''}"
        f"{count(question.trials, 'trial')} searched {listing(said, 8)}."
    )
    if question.stopping:
        halving = f"{plain(question.stopping)} {_cite('halving', cited)}"
        yield f"Trials that were behind were stopped early: {halving}."
    best = "largest" if question.mode == "max" else "smallest"
    yield (
        f"The trial with the {best} {plain(question.selected_by)} was selected; test data played no "
        "part in it."
    )


def _measured(question: Question) -> Iterator[str]:
    what = "the selected trial" if question.trials else "each method"
    if question.cross:
        axes = [f"{n} of {plain(name)}" for name, n in question.cross.items()]
        yield (
            f"We repeated {what} with fresh random seeds, in every combination of {listing(axes)} "
            f"({question.repeats} runs per method)."
        )
        return
    vary = f", varying {listing([plain(v) for v in question.vary], 8)}" if question.vary else ""
    if question.looks:
        rising = listing([str(n) for n in question.looks], 8)
        yield (
            f"We repeated {what} with fresh random seeds{vary}; the number of repeats grew through "
            f"{rising} until every contrast was decided."
        )
    else:
        seeds = "with fresh random seeds, which tuning had not used" if question.trials else ""
        yield f"We repeated {what} {question.repeats} times {seeds}".rstrip() + f"{vary}."
    if question.apart:
        yield (
            f"The runs are those of several studies ({plain(question.apart)}). Methods shared the seeds "
            "of the repeats that both have, so that those differences are paired."
        )
    else:
        yield "Methods shared the seeds of each repeat, so differences are paired."


def _tested(question: Question, pairs: list[Record], cited: list[str]) -> Iterator[str]:
    metric = plain(question.metric)
    yield f"Numbers are means of {metric} over repeats, with {level(question)} intervals."
    tested = [row for row in pairs if row["p"] is not None]
    if not tested:
        return
    populations = {str(row["population"]) for row in tested}
    if any("split" in name for name in populations):
        yield (
            "Since repeats differ in their split of the data, differences were tested with the "
            f"corrected resampled t-test {_cite('splits', cited)}."
        )
    elif any(row.get("examples") for row in tested):
        yield (
            "The headline test treats repeats and test examples as crossed random samples, so that "
            "it speaks of data like these: mean squares of the paired differences, with the degrees "
            f"of freedom of Satterthwaite {_cite('satterthwaite', cited)}; beside it stands the "
            "paired t-test over repeats, which speaks of this test set only."
        )
    else:
        yield "Differences were tested with paired t-tests over the common repeats."
    if any("not paired" in name for name in populations):
        yield (
            "Methods without a common repeat were compared as independent samples, by Welch's t-test "
            f"{_cite('welch', cited)}."
        )
    blocks = {row["block"] for row in tested}
    family = count(len(tested), "contrast") if len(blocks) == 1 else "the contrasts of each problem"
    yield (
        f"p-values were adjusted over {family} by Holm's method {_cite('holm', cited)} at a "
        f"family-wise level of {question.alpha:g}."
    )
    if question.looks:
        yield (
            f"Each p-value is the smallest over the looks so far times the {len(question.looks)} "
            f"planned looks, and intervals use {question.alpha:g}/{len(question.looks)}."
        )
    if question.margin:
        yield (
            f"Two methods are called equivalent where the whole interval lies within "
            f"±{question.margin:g} {_cite('tost', cited)}."
        )
    yield "A method that diverged counts as worst and is not tested on its surviving repeats."


def _made_with(question: Question) -> Iterator[str]:
    facts = question.environment
    versions = [f"{NAMES[name]} {plain(facts[name])}" for name in VERSIONS if facts.get(name)]
    if not versions:
        return
    device = facts.get("processor") if facts.get("backend") == "cpu" else facts.get("device")
    on = f" on {plain(device)}" if device else ""
    python = f" and Python {plain(facts['python'])}" if facts.get("python") else ""
    yield f"Experiments were run with {', '.join(versions)}{python}{on}."


def _cite(name: str, cited: list[str]) -> str:
    if name not in cited:
        cited.append(name)
    return f"[{cited.index(name) + 1}]"
