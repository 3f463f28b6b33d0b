"""The answer in one sentence per block."""

from __future__ import annotations

from funcdl.report.matrix import flipped, ranked
from funcdl.report.question import Question
from funcdl.report.record import Record
from funcdl.report.wording import count, decimals, half, listing, number, plain

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
    return f"{claim}; {_tested(order, pairs)}."


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


def _tested(order: list[str], pairs: list[Record]) -> str:
    """What the tests say of the first of `order` against the others, its closest rivals first."""
    leader = order[0]
    found: dict[str, list[str]] = {}
    for pair in pairs:
        seen = flipped(pair) if pair["b"] == leader else pair
        if seen["a"] == leader:
            found.setdefault(seen["verdict"], []).append(seen["b"])
    if not found:
        return "no contrast tests it"
    said = []
    for word, phrase in PHRASES.items():
        rivals = sorted(found.get(word, ()), key=order.index)
        if rivals:
            said.append(phrase.format(listing([plain(name, 60) for name in rivals])))
    start = "it is " if found.keys() & {"better", "equivalent"} else "but it is "
    return start + ", ".join(said)
