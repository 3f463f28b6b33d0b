"""The error rates in docs/statistics.md, measured over more worlds than a test can afford.

    python -m benchmarks.error_rates        about five minutes on one core

Prints a Markdown table. The worlds and the rules are those of tests/test_error_rates.py.
"""

# pyright: reportArgumentType=false, reportOptionalOperand=false, reportOperatorIssue=false
# pyright: reportOptionalMemberAccess=false

from collections.abc import Iterator

import numpy as np
from scipy.special import stdtrit

from funcdl.stats.corrected import corrected_interval, corrected_t
from funcdl.stats.crossed import grand_mean
from funcdl.stats.interval import mean_interval
from funcdl.stats.multiple import holm
from funcdl.stats.nonparametric import permutation, sign_flip, wilcoxon
from funcdl.stats.paired import paired_t
from funcdl.stats.sequential import planned, running_p
from funcdl.stats.verdict import verdict
from tests.test_across_looks import PROBLEMS, over_problems
from tests.test_across_looks import WORLDS as GROWN
from tests.test_error_rates import (
    ALPHA,
    OF_EXAMPLES,
    answers,
    families,
    heavy,
    learners,
    on_splits,
    over_repeats,
    over_repeats_and_examples,
    pulls,
    rejected,
    until_decided,
)

WORLDS = 20_000
Row = tuple[str, str, list[float]]


def rng() -> np.random.Generator:
    return np.random.default_rng(12345)


def covered(found) -> float:
    return float(np.mean([one.low <= 0 <= one.high for one in found]))


def single() -> Iterator[Row]:
    sizes = "n = 3, 5, 10"
    normal = [rng().normal(size=(2, WORLDS, n)) for n in (3, 5, 10)]
    counts = [rng().binomial(360, 0.95, size=(2, WORLDS, n)) / 360 for n in (3, 5, 10)]
    yield "paired t, normal scores", sizes, [rejected(over_repeats(a - b)) for a, b in normal]
    yield "paired t, accuracies of 360", sizes, [rejected(over_repeats(a - b)) for a, b in counts]
    inside = [covered([mean_interval(one) for one in a]) for a, _ in normal]
    yield "Student's interval covers", sizes, inside


def crossed() -> Iterator[Row]:
    worlds = 4000
    for kind in ("accuracy", "loss"):
        for own, seeds, what in (
            (0.7, 0.05, "examples matter most"),
            (0.3, 0.2, "both matter"),
            (0.0, 0.3, "seeds matter most"),
            (0.0, 0.0, "neither"),
        ):
            tables = [answers(rng(), n, 100, own, seeds, kind, worlds) for n in (3, 5, 10)]
            name = f"{kind}, {what}"
            sizes = "n = 3, 5, 10 x 100"
            found = [rejected(over_repeats_and_examples(d)) for d in tables]
            yield f"repeats x examples: {name}", sizes, found
            found = [rejected(over_repeats(d.mean(axis=2))) for d in tables]
            yield f"*over seeds alone*: {name}", sizes, found


def agreeing() -> Iterator[Row]:
    """Where degrees of freedom by the estimated components alone reject in 7 %."""
    for kind, seeds in (("accuracy", 0.15), ("loss", 0.1)):
        d = [answers(np.random.default_rng(k), 3, 400, 0.0, seeds, kind, 2000) for k in range(5)]
        found = float(np.mean([rejected(over_repeats_and_examples(one)) for one in d]))
        yield (
            f"repeats x examples: {kind}, seeds that often agree by chance",
            "n = 3 x 400",
            [found],
        )


def pulled() -> Iterator[Row]:
    """Metrics of whole splits, by their values per example."""
    for metric, values in OF_EXAMPLES.items():
        for m, share in ((100, 0.3), (360, 0.15), (1000, 0.05)):
            name = f"{metric}, {100 * share:.0f} % positive, examples matter most"
            sizes = f"n = 3, 5, 10 x {m}"
            tables = [pulls(rng(), n, m, share, 0.6, 0.05, values, 1500) for n in (3, 5, 10)]
            found = [rejected(over_repeats_and_examples(d)) for d in tables]
            yield f"repeats x examples: {name}", sizes, found
            found = [rejected(over_repeats(d.mean(axis=2))) for d in tables]
            yield f"*over seeds alone*: {name}", sizes, found


def learnt() -> Iterator[Row]:
    for train, test in ((200, 360), (1000, 360), (400, 100)):
        tables = [learners(rng(), n, 1500, train, test) for n in (3, 5, 10)]
        name = f"{train} training and {test} test examples, all drawn anew"
        found = [rejected(over_repeats_and_examples(d)) for d in tables]
        yield f"repeats x examples: ridge, {name}", "n = 3, 5, 10", found
        found = [rejected(over_repeats(d.mean(axis=2))) for d in tables]
        yield f"*over seeds alone*: ridge, {name}", "n = 3, 5, 10", found


def splits() -> Iterator[Row]:
    scores, sizes = on_splits(rng(), 10_000), (3, 5, 10, 20)
    words = "n = 3, 5, 10, 20"
    pairs = [list(zip(*scores[:, :, :n], strict=True)) for n in sizes]
    found = [rejected([corrected_t(a, b, 0.2).p for a, b in one]) for one in pairs]
    yield "corrected resampled t", words, found
    yield (
        "*plain paired t over splits*",
        words,
        [rejected(over_repeats(scores[0, :, :n] - scores[1, :, :n])) for n in sizes],
    )
    shifted = scores - scores.mean()
    inside = [covered([corrected_interval(x, 0.2) for x in shifted[0, :, :n]]) for n in sizes]
    yield "corrected interval covers", words, inside


def sequential() -> Iterator[Row]:
    for count, most in ((3, 24), (5, 40), (10, 80)):
        looks, d = planned(count, most), rng().normal(size=(WORLDS // 2, most))
        found = [until_decided(one, looks) for one in d]
        words = f"looks {', '.join(map(str, looks))}"
        wrong = float(np.mean([word in ("better", "worse") for word, _ in found]))
        yield "sequential rule", words, [wrong]
        yield "its interval at stopping covers", words, [covered([one for _, one in found])]
        p = np.array([over_repeats(d[:, :look]) for look in looks])
        yield "*stopping at the first p below .05*", words, [float((p < ALPHA).any(axis=0).mean())]
    at = [until_decided(d, (5, 10, 20, 40), 1.0)[0] for d in rng().normal(1, 1, (WORLDS // 2, 40))]
    wrong = float(np.mean([word == "equivalent" for word in at]))
    yield "sequential: equivalent at its margin", "looks 5, 10, 20, 40", [wrong]
    d = answers(rng(), 40, 60, 0.7, 0.1, "accuracy", 2000)
    p = np.array([over_repeats_and_examples(d[:, :n]) for n in (5, 10, 20, 40)])
    running = [running_p(one, (5, 10, 20, 40)) for one in p.T.tolist()]
    yield "sequential, repeats x 60 examples", "looks 5, 10, 20, 40", [rejected(running)]


def margins() -> Iterator[Row]:
    rates = []
    for n in (3, 5, 10):
        found = [paired_t(d, np.zeros(n)) for d in rng().normal(1, 0.1, size=(WORLDS, n))]
        words = [verdict(one, one.p, mode="max", margin=1.0) for one in found]
        rates.append(float(np.mean([word == "equivalent" for word in words])))
    yield "equivalent at its margin, over repeats", "n = 3, 5, 10", rates
    rates = []
    for n in (3, 5, 10):
        found = grand_mean(answers(rng(), n, 100, 0.3, 0.05, "accuracy", 4000) + 0.1, 2)
        half = stdtrit(found.df, 1 - ALPHA / 2) * np.sqrt(found.variance)
        rates.append(float(np.mean(np.abs(found.mean) + half < 0.1)))
    yield "equivalent at its margin, repeats x examples", "n = 3, 5, 10", rates


def many() -> Iterator[Row]:
    sizes = (3, 5, 10)
    worlds = [[over_repeats(one) for one in families(rng(), 5000, 4, n)] for n in sizes]
    found = [float(np.mean([min(holm(p)) < ALPHA for p in one])) for one in worlds]
    yield "any of 6 pairs, Holm", "n = 3, 5, 10", found
    found = [float(np.mean([min(p) < ALPHA for p in one])) for one in worlds]
    yield "*any of 6 pairs, uncorrected*", "n = 3, 5, 10", found


def problems() -> Iterator[Row]:
    """Tests over problems, each of which has as many repeats as its own contrasts took."""
    found = [rejected(over_problems(rng(), 4000, *how)) for how in GROWN]
    name = f"signed-rank over {PROBLEMS} problems that grew until decided"
    yield name, "looks 5, 10, 20, 40; margin, none", found


def free() -> Iterator[Row]:
    for test in (sign_flip, wilcoxon):
        rates = [
            rejected([test(d, np.zeros(n)).p for d in heavy(rng(), WORLDS // 2, n)])
            for n in (6, 10)
        ]
        yield f"{test.__name__}, Cauchy", "n = 6, 10", rates
    pairs = heavy(rng(), WORLDS // 2, 2, 5)
    yield "permutation, Cauchy", "n = 5", [rejected([permutation(a, b).p for a, b in pairs])]


def main() -> None:
    print("| what | where | rate |\n|---|---|---|")
    parts = (single, crossed, agreeing, pulled, learnt, splits, sequential, margins, many)
    parts = (*parts, problems, free)
    for part in parts:
        for what, where, rates in part():
            shown = ", ".join(f"{rate:.3f}".lstrip("0") for rate in rates)
            print(f"| {what} | {where} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
