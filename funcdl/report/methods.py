"""A methods paragraph for a paper: what was done, in plain sentences, from what the study states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from funcdl.report import learnt_from
from funcdl.report.answer import Answer
from funcdl.report.level import level
from funcdl.report.methods_across import across_problems
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.references import Cited
from funcdl.report.wording import count, listing, plain

VERSIONS = ("funcdl", "jax", "flax", "optax")
NAMES = {"funcdl": "funcdl", "jax": "JAX", "flax": "Flax", "optax": "Optax"}
FEW = 4  # settings of untuned methods that are named; of more the config tells


def methods(question: Question, answer: Answer) -> list[str]:
    """Paragraphs: what was compared and how trained, how tuned, how measured and tested, references.

    Args:
        question: what was asked.
        answer: what was found; its comparisons name the populations that were tested.
    """
    table, pairs = records(answer.table), records(answer.comparisons)
    cited = Cited()
    paragraphs = (
        _compared(question),
        [*_tuned(question, cited), *_untuned(question)],
        _measured(question),
        [*_numbers(question, table), *_tested(question, table, pairs, cited)],
        across_problems(question, table, cited),
        _made_with(question),
    )
    found = [" ".join(sentences) for part in paragraphs if (sentences := list(part))]
    return [*found, "References: " + " ".join(listed)] if (listed := cited.listed()) else found


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
    trained = [place for place in question.methods if not _baseline(question, place)]
    if setting.get("steps") and trained:
        rest = f", with {listing(parts)}" if parts else ""
        which = (
            "Each model"
            if len(trained) == len(question.methods)
            else "Each model but the baselines"
        )
        yield f"{which} was trained for {plain(setting['steps'])} steps{rest}."
    yield from learnt_from.sentences({key: plain(value) for key, value in setting.items()})


def _baseline(question: Question, place: tuple[str, str]) -> bool:
    """Whether a method is no network: it was given no optimizer, and trains no parameters."""
    search = question.searches.get(place)
    return search is not None and not search.optimizer and not question.parameters.get(place)


def _tuned(question: Question, cited: Cited) -> Iterator[str]:
    if not question.trials:
        return
    spaces: dict[tuple[str, str], int] = {}
    for of_method in question.spaces.values():
        for item in of_method.items():
            spaces[item] = spaces.get(item, 0) + 1
    total = sum(map(bool, question.spaces.values()))
    said = [
        f"{plain(key)} in {plain(space)}" + ("" if n == total else f" ({count(n, 'method')})")
        for (key, space), n in spaces.items()
    ]
    which = "each method" if total == len(question.methods) else "each tuned method"
    yield (
        f"For {which} {'and problem ' if len(question.blocks) > 1 else ''}"
        f"{count(question.trials, 'trial')} searched {listing(said, 8)}."
    )
    if question.stopping:
        halving = f"{plain(question.stopping)} {cited('halving')}"
        yield f"Trials that were behind were stopped early: {halving}."
    best = "largest" if question.mode == "max" else "smallest"
    chosen = f"The trial with the {best} {plain(question.selected_by)} was selected"
    if _splits(question):
        yield f"{chosen}, on validation examples of another split than those of the measured runs."
    else:
        yield f"{chosen}; test data played no part in it."


def _untuned(question: Question) -> Iterator[str]:
    """What the methods that nothing was searched for were given."""
    fixed = [
        place
        for place in question.methods
        if not question.spaces.get(place) and not _baseline(question, place)
    ]
    if not fixed:
        return
    known = [question.searches[place].optimizer for place in fixed if place in question.searches]
    said = list(dict.fromkeys(_arguments(one) for one in known if one.get("name")))
    if len(known) < len(fixed) or not all(known) or not 0 < len(said) <= FEW:
        yield f"{_which(question, fixed)} had the hyperparameters given in the config, untuned."
    else:
        yield f"{_which(question, fixed)} had fixed hyperparameters, untuned: {listing(said, FEW)}."


def _which(question: Question, places: list[tuple[str, str]]) -> str:
    labels = list(dict.fromkeys(label for _, label in places))
    if len(places) == len(question.methods):
        return "All methods" if len(labels) > 1 else "It"
    return listing([plain(label, 60) for label in labels])


def _arguments(optimizer: Mapping[str, Any]) -> str:
    rest = [
        f"{plain(key, 60)} {plain(value, 60)}"
        for key, value in optimizer.items()
        if key not in ("name", "label") and value is not None
    ]
    name = plain(optimizer["name"], 60)
    return f"{name} ({', '.join(rest)})" if rest else f"{name} with its default arguments"


def _splits(question: Question) -> bool:
    return "split" in (*question.vary, *question.cross)


def _measured(question: Question) -> Iterator[str]:
    what = "the selected trial" if question.trials else "each method"
    if len(question.methods) == 1 and not question.trials:
        what = "it"
    several = len({label for _, label in question.methods}) > 1
    unseen = ", which tuning had not used" if question.trials else ""
    vary = f", varying {listing([plain(v) for v in question.vary], 8)}" if question.vary else ""
    if question.cross:
        axes = [f"{n} of {plain(name)}" for name, n in question.cross.items()]
        yield (
            f"We repeated {what} with fresh random seeds{unseen}, in every combination of "
            f"{listing(axes)} ({question.repeats} runs per method)."
        )
    elif question.looks:
        rising = listing([str(n) for n in question.looks], 8)
        yield (
            f"We repeated {what} with fresh random seeds{unseen}{vary}; the number of repeats was to "
            f"grow through {rising} until every contrast was decided."
        )
    elif question.repeats == 1:
        yield f"We measured {what} once, with a fresh random seed{unseen}."
    else:
        seeds = f"with fresh random seeds{unseen}"
        yield f"We repeated {what} {question.repeats} times {seeds}{vary}."
    if question.apart:
        yield (
            f"The runs are those of several studies ({plain(question.apart)}). Methods shared the seeds "
            "of the repeats that both have, so that those differences are paired."
        )
    elif several and max(question.repeats, *question.looks, 1) > 1:
        yield "Methods shared the seeds of each repeat, so differences are paired."


def _numbers(question: Question, table: list[Record]) -> Iterator[str]:
    """What the numbers and their intervals are."""
    metric = plain(question.metric)
    most = max((row["n"] for row in table), default=0)
    if most < 2:
        yield f"Numbers are {metric} of {'that' if len(table) == 1 else 'a'} single run per method."
        return
    if all(row["low"] is None for row in table):
        yield f"Numbers are means of {metric} over repeats."
        return
    planned = len(question.looks)
    yield f"Numbers are means of {metric} over repeats, with {level(question)} intervals" + (
        f", so that those of all {planned} planned looks hold together with "
        f"{100 * (1 - question.alpha):g} %."
        if planned > 1
        else "."
    )


def _tested(
    question: Question, table: list[Record], pairs: list[Record], cited: Cited
) -> Iterator[str]:
    tested = [row for row in pairs if row["p"] is not None]
    if not tested:
        return
    paired = [row for row in tested if "not paired" not in str(row["population"])]
    if paired:
        yield _paired(question, paired, cited)
    if len(paired) < len(tested):
        yield (
            "Methods without a common repeat were compared as independent samples, by Welch's t-test "
            f"{cited('welch')}."
        )
    blocks = {row["block"] for row in pairs}
    refused = len(pairs) - len(tested)
    family = count(len(pairs), "contrast") if len(blocks) == 1 else "the contrasts of each problem"
    if len(pairs) > 1:
        left = f" ({refused} of them without a test)" if refused and len(blocks) == 1 else ""
        yield (
            f"p-values were adjusted over {family}{left} by Holm's method {cited('holm')} at a "
            f"family-wise level of {question.alpha:g}."
        )
    else:
        yield f"The level of the test is {question.alpha:g}."
    if len(question.looks) > 1:
        yield (
            f"Each p-value is the smallest over the looks so far times the {len(question.looks)} "
            "planned looks."
        )
    if question.margin:
        yield (
            "Two methods are called equivalent where the whole interval of their difference lies "
            f"within ±{question.margin:g} {cited('tost')}, contrast by contrast."
        )
    if any(row["status"] in ("diverged", "partly diverged") for row in table):
        yield "A method that diverged counts as worst and is not tested on its surviving repeats."


def _paired(question: Question, paired: list[Record], cited: Cited) -> str:
    """The test of methods that have repeats in common."""
    if _splits(question):
        return (
            "Since repeats differ in their split of the data, differences were tested with the "
            f"corrected resampled t-test {cited('splits')}."
        )
    crossed = [plain(name) for name, n in question.cross.items() if n > 1]
    over = f"draws of {listing(crossed)}" if len(crossed) > 1 else "repeats"
    if any(row.get("examples") for row in paired):
        narrow = f"a {'crossed' if len(crossed) > 1 else 'paired'} t-test over {over}"
        return (
            f"The headline test treats {over} and test examples as crossed random samples, so that it "
            f"speaks of data like these: {_crossed(cited)}. Beside it stands {narrow}, which speaks of "
            "this test set only; the headline takes the larger of the two p-values."
        )
    if len(crossed) > 1:
        return f"Differences were tested with t-tests that take {over} as crossed samples: {_crossed(cited)}."
    return (
        "Differences were tested with paired t-tests over the common repeats, which speak of this test "
        "set."
    )


def _crossed(cited: Cited) -> str:
    return (
        "the variance of the mean paired difference is that of a random-effects analysis of variance "
        f"{cited('components')}, {cited('crossed')}, and its degrees of freedom are the harmonic mean "
        "of those of the mean squares, weighted by their parts in it"
    )


def _made_with(question: Question) -> Iterator[str]:
    facts = question.environment
    versions = [f"{NAMES[name]} {plain(facts[name])}" for name in VERSIONS if facts.get(name)]
    if not versions:
        return
    device = facts.get("processor") if facts.get("backend") == "cpu" else facts.get("device")
    on = f" on {plain(device)}" if device else ""
    python = f" and Python {plain(facts['python'])}" if facts.get("python") else ""
    yield f"Experiments were run with {', '.join(versions)}{python}{on}."
