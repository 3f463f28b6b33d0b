"""Names and numbers as a reader sees them: no control characters, no needless digits."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from funcdl.report.record import Record


def plain(name: object, width: int | None = None) -> str:
    r"""A name without what could steer a terminal or a page, shortened in its middle to `width`.

    Control characters (with whole ANSI escapes, what is left of them is visible text), characters
    that turn the direction of writing, and lone surrogates are dropped; line breaks become spaces.

    >>> plain("lion\x1b[31m\nred")
    'lion[31m red'
    >>> plain("a_long_name_for_a_method", 11)
    'a_lon…ethod'
    """
    text = "".join(" " if c in "\t\n\r" else c for c in str(name) if _visible(c))
    if width is None or len(text) <= width:
        return text
    head = width // 2
    return text[:head] + "…" + text[len(text) - (width - head - 1) :]


def _visible(character: str) -> bool:
    return character in "\t\n\r" or unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def half(row: Record) -> float | None:
    """Half the width of a row's interval; None where it has none."""
    return None if row["low"] is None else (row["high"] - row["low"]) / 2


def decimals(rows: Iterable[Record], default: int = 4) -> int:
    """How many decimals a column of estimates deserves: two digits of the typical uncertainty.

    Args:
        rows: records with `low` and `high`.
        default: what to use where no interval has a width.

    >>> decimals([{"low": 0.9712, "high": 0.9794}, {"low": None, "high": None}])
    4
    """
    known = [h for h in map(half, rows) if h is not None and math.isfinite(h) and h > 0]
    if not known:
        return default
    return min(8, max(0, 1 - math.floor(math.log10(float(np.median(known))))))


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` decimals; in powers of ten where that would hide or flood it.

    >>> number(0.98333, 3), number(1234567.0, 2), number(1e-9, 3), number(-0.00484, 2), number(None)
    ('0.983', '1.23e+06', '1.00e-09', '-0.0048', '–')
    """
    if value is None:
        return "–"
    x = float(value)
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    if x != 0 and (abs(x) >= 1e6 or abs(x) < 0.5 * 10.0**-digits):
        if 1e-5 <= abs(x) < 1:  # two digits that count, written like the numbers beside it
            return f"{x:.{1 - math.floor(math.log10(abs(x)))}f}"
        return f"{x:.2e}"
    return f"{x:.{digits}f}"


def interval(row: Record, digits: int) -> str:
    """A row's interval; empty where it has none.

    >>> interval({"low": 0.97123, "high": 0.9794}, 4)
    '[0.9712, 0.9794]'
    """
    if row["low"] is None:
        return ""
    return f"[{number(row['low'], digits)}, {number(row['high'], digits)}]"


def short(value: object) -> str:
    """A hyperparameter or any other cell in few characters.

    >>> short(0.00316227766), short(8), short("cosine"), short(None)
    ('0.00316', '8', 'cosine', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e6:
            return str(int(value))  # a whole number whose column also has empty cells
        return f"{value:.3g}"
    return plain(value, 40)


def p_value(p: float | None) -> str:
    """A p-value with the digits that matter.

    >>> p_value(0.0312), p_value(0.00001), p_value(None)
    ('.031', '<.001', '–')
    """
    if p is None:
        return "–"
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def listing(names: Sequence[str], most: int = 4) -> str:
    """Names in a sentence.

    >>> listing(["a"]), listing(["a", "b", "c"]), listing(list("abcdef"), most=3)
    ('a', 'a, b and c', 'a, b, c and 3 more')
    """
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def scope(rows: Iterable[Record], cross: Mapping[str, int] | None = None) -> str:
    """What intervals and tests speak of, and what they rest on; empty where nothing was measured.

    Args:
        rows: of a table or of comparisons, with `n`, `examples` and `population`.
        cross: crossed streams -> how many values, where repeats are crossed.

    >>> scope([{"n": 5, "examples": 360, "population": "data like these"}])
    'data like these (5 repeats x 360 test examples)'
    >>> scope([{"n": 5, "examples": 0, "population": "this test set (no metric per example)"}])
    'this test set (5 repeats; no metric per example)'
    >>> crossed = {"n": 6, "examples": 0, "population": "data like these (resampled splits)"}
    >>> scope([crossed], {"split": 3, "init": 2}), scope([crossed])
    ('data like these (3 splits x 2 init)', 'data like these (6 splits)')
    """
    known = [row for row in rows if row["n"]]
    if not known:
        return ""
    kinds = [row["population"] for row in known]
    name, _, why = max(dict.fromkeys(kinds), key=kinds.count).removesuffix(")").partition(" (")
    splits = why == "resampled splits"
    drawn = repeats([row["n"] for row in known], cross or {}, "split" if splits else "repeat")
    why = "" if splits else why
    examples = max(row["examples"] or 0 for row in known)
    if examples:
        return f"{name} ({drawn} x {count(examples, 'test example')})"
    return f"{name} ({drawn}; {why})" if why else f"{name} ({drawn})"


def repeats(ns: Sequence[int], cross: Mapping[str, int], noun: str = "repeat") -> str:
    """So many repeats, or the crossed streams that they are the combinations of.

    >>> repeats([4, 5], {}), repeats([6], {"init": 2, "order": 3}), repeats([9], {}, "split")
    ('4 to 5 repeats', '2 init x 3 order', '9 splits')
    """
    fewest, most = min(ns), max(ns)
    among = count(most, noun) if fewest == most else f"{fewest} to {count(most, noun)}"
    if not cross:
        return among
    axes = [
        count(n, "split") if name == "split" else f"{n} {plain(name)}" for name, n in cross.items()
    ]
    if fewest == math.prod(cross.values()):
        return " x ".join(axes)
    return f"{among} of {' x '.join(axes)}"


def place(row: Record) -> str:
    """The population of a row without what it rests on.

    >>> place({"population": "this test set (no metric per example)"})
    'this test set'
    """
    return row["population"].partition(" (")[0]


def named_test(pairs: Sequence[Record], crossed: bool = False) -> str:
    """What the tests are called, in few words.

    Args:
        pairs: comparisons, with their `population`.
        crossed: whether repeats are all combinations of several streams.

    >>> named_test([{"population": "data like these"}])
    't-test over repeats and test examples'
    """
    names = {
        "data like these": "t-test over repeats and test examples",
        "data like these (resampled splits)": "corrected resampled t-test (Nadeau and Bengio)",
        "data like these (repeats not paired)": "Welch's t-test over repeats and test examples",
    }
    kinds = [row["population"] for row in pairs]
    kind = max(dict.fromkeys(kinds), key=kinds.count, default="")
    paired = "paired t-test over crossed streams" if crossed else "paired t-test"
    return names.get(kind, "Welch's t-test" if "not paired" in kind else paired)


def family(pairs: Sequence[Record]) -> str:
    """How many contrasts Holm's correction is over: those asked, refused or not.

    >>> family([{"p": 0.01}, {"p": 0.2}, {"p": None}])
    'Holm over 3 tests, of which 1 refused'
    """
    refused = sum(row["p"] is None for row in pairs)
    among = f", of which {refused} refused" if refused else ""
    return f"Holm over {count(len(pairs), 'test')}{among}"


def apart(pairs: Sequence[Record]) -> int:
    """How many contrasts are undecided although their interval excludes 0: the family decides.

    >>> apart([{"verdict": "undecided", "low": 0.1, "high": 0.2}])
    1
    """
    return sum(
        row["verdict"] == "undecided" and row["low"] is not None and row["low"] * row["high"] > 0
        for row in pairs
    )


def at_least(margin: float | None, digits: int) -> str:
    """The smallest margin, rounded up, so that what is printed is one.

    >>> at_least(0.01231, 3), at_least(0.012, 3), at_least(None, 3)
    ('0.013', '0.012', '–')
    """
    if margin is None or not math.isfinite(margin):
        return number(margin, digits)
    scale = 10.0**digits
    nearest = round(margin * scale)
    up = (
        nearest
        if math.isclose(nearest, margin * scale, rel_tol=1e-9)
        else math.ceil(margin * scale)
    )
    return number(up / scale, digits)


def overruled(row: Record) -> bool:
    """Whether "this test set" alone would have decided a comparison in another way."""
    other = row["fixed_verdict"]
    return other not in ("refused", row["verdict"])


def count(n: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "repeat"), count(5, "repeat")
    ('1 repeat', '5 repeats')
    """
    return f"{n} {noun}" if n == 1 else f"{n:,} {noun}s"
