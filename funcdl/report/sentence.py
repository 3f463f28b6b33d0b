"""The answer in one sentence per block."""

from __future__ import annotations

from funcdl.report.matrix import flipped, ranked
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import (
    count,
    decimals,
    half,
    listing,
    number,
    overruled,
    place,
    plain,
)

PHRASES = {
    "better": "better than {}",
    "worse": "yet worse than {} by the test",
    "equivalent": "equivalent to {}",
    "undecided": "not told apart from {}",
    "refused": "untested against {}",
}


def sentence(question: Question, table: list[Record], comparisons: list[Record]) -> str:
    """Who leads, by how much, and what that has been tested against.

    It says "better" only of a verdict, and names what the leader could not be told apart from.

    Args:
        question: what was asked.
        table: its table, as records.
        comparisons: its comparisons, as records.
    """
    parts = []
    for block in question.blocks:
        rows = [row for row in table if row["block"] == block]
        pairs = [row for row in comparisons if row["block"] == block]
        text = _block(question, rows, pairs)
        parts.append(f"{plain(block, 60)}: {text}" if block else text)
    return " ".join(parts)


def _block(question: Question, rows: list[Record], pairs: list[Record]) -> str:
    if all(row["status"] == "not measured" for row in rows):
        return "No method has been measured yet."
    finished = [row for row in rows if row["n"]]
    if not finished:
        every = all(row["status"] == "diverged" for row in rows)
        return f"{'Every method diverged' if every else 'No method finished'}; nothing to compare."
    best = min(row["rank"] for row in finished)
    leaders = [row for row in finished if row["rank"] == best]
    names = [plain(row["method"], 60) for row in leaders]
    metric, estimate = plain(question.metric), _estimate(leaders[0], question)
    superlative = "highest" if question.mode == "max" else "lowest"
    if len(rows) == 1:
        return f"{names[0]} has a mean {metric} of {estimate}; it is the only method."
    if len(names) > 1:
        return f"{listing(names)} share the {superlative} mean {metric}, {estimate}."
    claim = f"{names[0]} has the {superlative} mean {metric}, {estimate}"
    order = [row["method"] for row in ranked(rows, rows[0]["block"])]
    seen = _of_leader(order[0], pairs)
    alone = _alone(order, seen)
    return f"{claim}; {_tested(order, seen, question)}.{alone and ' ' + alone}"


def _estimate(row: Record, question: Question) -> str:
    digits = decimals([row])
    mean = number(row["mean"], digits)
    over = f"over {count(row['n'], 'repeat')}"
    if row["status"] == "partly diverged":
        over += f" ({row['diverged']} more diverged)"
    if not half(row):
        return f"{mean} {over}"
    level = f"{100 * (1 - question.alpha):g} % interval"
    return f"{mean} ({level} {number(row['low'], digits)} to {number(row['high'], digits)}) {over}"


def _of_leader(leader: str, pairs: list[Record]) -> list[Record]:
    """The comparisons that the leader is in, seen from it."""
    seen = [flipped(pair) if pair["b"] == leader else pair for pair in pairs]
    return [pair for pair in seen if pair["a"] == leader]


def _tested(order: list[str], pairs: list[Record], question: Question) -> str:
    """What the tests say of the leader against the others, its closest rivals first."""
    if not pairs:
        return "no contrast tests it"
    said = _said(order, pairs, "verdict")
    if question.margin and "equivalent" in {pair["verdict"] for pair in pairs}:
        said += f" (equivalent: within {question.margin:g})"
    good = {pair["verdict"] for pair in pairs} & {"better", "equivalent"}
    tested = [pair for pair in pairs if pair["verdict"] != "refused"]
    where = f"on {place(tested[0])} " if tested else ""
    return f"{'' if good else 'but '}{where}it is {said}"


def _alone(order: list[str], pairs: list[Record]) -> str:
    """Where "this test set" alone would say something else: it is no contradiction, but less."""
    other = [pair for pair in pairs if overruled(pair)]
    if not other:
        return ""
    said = _said(order, other, "fixed_verdict")
    return f"On this test set alone it is {said}; other data may differ."


def _said(order: list[str], pairs: list[Record], column: str) -> str:
    said = []
    for word, phrase in PHRASES.items():
        rivals = sorted((pair["b"] for pair in pairs if pair[column] == word), key=order.index)
        if rivals:
            said.append(phrase.format(listing([plain(name, 60) for name in rivals])))
    return ", ".join(said)
