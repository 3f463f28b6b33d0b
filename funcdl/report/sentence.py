"""The answer in one sentence per block, and one over all blocks before them."""

from __future__ import annotations

from funcdl.report.level import level
from funcdl.report.matrix import flipped, ranked
from funcdl.report.overall import overall
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
    repeats,
)

MOST = 3  # of those that share the lead, so many are told of
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
    parts = [text] if (text := overall(question, table)) else []
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
        if all(row["status"] == "undefined" for row in rows):
            return f"{plain(question.metric)} is not defined for any method; nothing to compare."
        every = all(row["status"] == "diverged" for row in rows)
        return f"{'Every method diverged' if every else 'No method finished'}; nothing to compare."
    best = min(row["rank"] for row in finished)
    leaders = [row for row in finished if row["rank"] == best]
    names = [plain(row["method"], 60) for row in leaders]
    metric = plain(question.metric)
    superlative = "highest" if question.mode == "max" else "lowest"
    if len(rows) == 1:
        estimate = _estimate(leaders[0], question)
        return f"{names[0]} has a mean {metric} of {estimate}; it is the only method."
    order = [row["method"] for row in ranked(rows, rows[0]["block"])]
    if len(names) > 1:
        mean = number(leaders[0]["mean"], decimals(leaders))
        claim = f"{listing(names)} share the {superlative} mean {metric}, {mean}"
        return f"{claim}; {_of_several(order, order[: len(names)], pairs, question)}."
    claim = f"{names[0]} has the {superlative} mean {metric}, {_estimate(leaders[0], question)}"
    seen = _of_leader(order[0], pairs)
    if not seen:
        return f"{claim}; {_others(pairs)}."
    alone = _alone(order, seen)
    return f"{claim}; {_tested(order, seen, question)}.{alone and ' ' + alone}"


def _of_several(
    order: list[str], leaders: list[str], pairs: list[Record], question: Question
) -> str:
    """The verdicts of leaders that share the lead, each contrast told once."""
    said = []
    for i, leader in enumerate(leaders[:MOST]):
        seen = [pair for pair in _of_leader(leader, pairs) if pair["b"] not in leaders[:i]]
        if seen:
            said.append(_tested(order, seen, question, plain(leader, 60)))
    return "; ".join(said) or _others(pairs)


def _others(pairs: list[Record]) -> str:
    """The contrasts that were asked, where none has the leader in it."""
    if not pairs:
        return "no contrast tests it"
    won = [flipped(pair) if pair["verdict"] == "worse" else pair for pair in pairs]
    better = [
        f"{plain(pair['a'], 60)} better than {plain(pair['b'], 60)}"
        for pair in won
        if pair["verdict"] == "better"
    ]
    said = [f"{len(better)} better ({listing(better)})"] if better else []
    for word in ("equivalent", "undecided", "refused"):
        alike = sum(pair["verdict"] == word for pair in pairs)
        said += [f"{alike} {word}"] if alike else []
    asked = f"of {count(len(pairs), 'contrast')} asked, none of which tests the lead"
    return f"{asked}, {', '.join(said)}"


def _estimate(row: Record, question: Question) -> str:
    digits = decimals([row])
    mean = number(row["mean"], digits)
    noun = "split" if "split" in question.vary else "repeat"
    over = f"over {repeats([row['n']], question.cross, noun)}"
    if row["status"] == "partly diverged":
        over += f" ({row['diverged']} more diverged)"
    if not half(row):
        return f"{mean} {over}"
    ends = f"{number(row['low'], digits)} to {number(row['high'], digits)}"
    return f"{mean} ({level(question)} interval {ends}) {over}"


def _of_leader(leader: str, pairs: list[Record]) -> list[Record]:
    """The comparisons that the leader is in, seen from it."""
    seen = [flipped(pair) if pair["b"] == leader else pair for pair in pairs]
    return [pair for pair in seen if pair["a"] == leader]


def _tested(order: list[str], pairs: list[Record], question: Question, who: str = "it") -> str:
    """What the tests say of a leader against the others, its closest rivals first."""
    said = _said(order, pairs, "verdict")
    if question.margin and "equivalent" in {pair["verdict"] for pair in pairs}:
        said += f" (equivalent: within {question.margin:g})"
    good = {pair["verdict"] for pair in pairs} & {"better", "equivalent"}
    tested = [pair for pair in pairs if pair["verdict"] != "refused"]
    where = f"on {place(tested[0])} " if tested else ""
    return f"{'' if good else 'but '}{where}{who} is {said}"


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
