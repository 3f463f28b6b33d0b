"""The answer on a terminal, or as plain lines where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from funcdl.report.answer import Answer
from funcdl.report.level import level, over_looks
from funcdl.report.matrix import SYMBOLS, Matrix, matrix, ranked
from funcdl.report.protocol import short_protocol
from funcdl.report.question import Question
from funcdl.report.record import Record, records
from funcdl.report.wording import (
    apart,
    at_least,
    count,
    decimals,
    family,
    interval,
    named_test,
    number,
    overruled,
    p_value,
    plain,
    scope,
    short,
)

STYLES = {"better": "bold green", "worse": "red", "equivalent": "cyan"}
WORDS = {
    "better": "better than",
    "worse": "worse than",
    "equivalent": "equivalent to",
    "undecided": "undecided from",
    "refused": "not tested against",
}
SQUARE = 16  # more methods than that make a square nobody reads
LIMIT = 120  # characters of a line where there is no terminal to ask
FEWEST = 4  # columns that a narrow terminal keeps
FEW_PAIRS = 6  # so few are listed with their differences

Column = tuple[str, Sequence[Text], str]  # heading, cells, "left" or "right"


def show(question: Question, answer: Answer, console: Console | None = None) -> None:
    """Print the table, the verdicts, the sentence and the warnings.

    Names are shown without control characters and never read as markup. Lines are not wrapped, so
    that a file or a pager gets whole rows; on a narrow terminal columns give way.

    Args:
        question: what was asked.
        answer: what was found.
        console: where to print; standard output by default.
    """
    console = Console(highlight=False) if console is None else console
    for block in question.blocks:
        if block:
            _print(console, Text(f"\n{plain(block)}", style="bold"))
        _block(console, question, answer, block)
    _print(console, Text(""))
    console.print(_encodable(console, Text(answer.sentence)), soft_wrap=not console.is_terminal)
    for warning in answer.warnings:
        text = Text("Note: ", style="yellow") + Text(warning)
        console.print(_encodable(console, text), soft_wrap=not console.is_terminal)


def _block(console: Console, question: Question, answer: Answer, block: str) -> None:
    table, comparisons = records(answer.table), records(answer.comparisons)
    rows = ranked(table, block)
    pairs = [row for row in comparisons if row["block"] == block]
    square = matrix(block, table, comparisons)
    columns = _columns(question, rows)
    places = [short(row["rank"]) for row in rows]
    verdicts = _square(square, places) if len(pairs) > FEW_PAIRS and len(rows) <= SQUARE else None
    limit = console.width if console.is_terminal else LIMIT
    if verdicts and _width([*columns, verdicts]) <= limit:
        columns, verdicts = [*columns, verdicts], None
    while _width(columns) > limit and len(columns) > FEWEST:
        columns.pop()
    _print_columns(console, columns)
    if verdicts:
        _print(console, Text(""))
        _print_columns(console, [*columns[:2], verdicts])
    if len(pairs) <= FEW_PAIRS:
        lines = [Text(""), *(_line(question, pair) for pair in pairs)] if pairs else []
    else:
        lines = _counts(square, places) if len(rows) > SQUARE else []
        lines.append(Text(_legend(question, pairs, len(rows) <= SQUARE), style="dim"))
    for text in _basis(question, rows, pairs):
        _print(console, Text(text, style="dim"))
    for line in lines:
        _print(console, line)


def _basis(question: Question, rows: list[Record], pairs: list[Record]) -> Iterator[str]:
    """What the numbers speak of, under which level, and what varied between them."""
    if spoken := scope(rows, question.cross):
        looks = over_looks(question)
        yield f"Intervals and tests: {spoken}{looks and '; ' + looks}"
    if max((row["n"] for row in rows), default=0) > 1:
        yield f"Repeats: {short_protocol(question)}"
    if apart(pairs):
        yield (
            f"Intervals are per contrast, verdicts corrected ({family(pairs)}): {apart(pairs)} undecided "
            "though the interval excludes 0"
        )


def _columns(question: Question, rows: list[Record]) -> list[Column]:
    digits = decimals(rows)
    means = [
        "diverged" if row["status"] == "diverged" else number(row["mean"], digits) for row in rows
    ]
    columns: list[Column] = [
        ("#", _texts(short(row["rank"]) for row in rows), "right"),
        ("method", _texts(plain(row["method"], 48) for row in rows), "left"),
        ("n", _texts(str(row["n"]) for row in rows), "right"),
        (plain(question.metric, 32), _texts(means), "right"),
        (
            f"{level(question)} interval",
            _texts(interval(row, digits) for row in rows),
            "left",
        ),
    ]
    if any(row["diverged"] for row in rows):
        columns.append(("diverged", _texts(str(row["diverged"]) for row in rows), "right"))
    for key in question.tuned:
        name = plain(key.rpartition(".")[2], 24)
        columns.append((name, _texts(short(row[key]) for row in rows), "right"))
    return columns


def _texts(values: Iterable[str]) -> list[Text]:
    return [Text(value) for value in values]


def _square(square: Matrix, places: Sequence[str]) -> Column:
    """The verdicts as one column, a character per method, under the methods' ranks."""
    wide = max(map(len, places))
    cells = []
    for i, row in enumerate(square.cells):
        text = Text()
        for j, cell in enumerate(row):
            symbol = SYMBOLS[cell["verdict"]] if cell else ("-" if i == j else " ")
            style = STYLES.get(cell["verdict"], "dim") if cell else "dim"
            text.append(symbol.rjust(wide) + " ", style=style)
        cells.append(text)
    return " ".join(place.rjust(wide) for place in places), cells, "left"


def _counts(square: Matrix, places: Sequence[str]) -> list[Text]:
    """A line per method, where the square would be too large."""
    lines = [Text("")]
    for place, name, row in zip(places, square.methods, square.cells, strict=True):
        found = [cell["verdict"] for cell in row if cell]
        said = [f"{found.count(word)} {word}" for word in SYMBOLS if word in found]
        lines.append(Text(f"{place:>3}  {plain(name, 48)}: {', '.join(said)}"))
    return lines


def _line(question: Question, pair: Record) -> Text:
    """One comparison in words."""
    text = Text(f"{plain(pair['a'], 48)} ")
    text.append(WORDS[pair["verdict"]], style=STYLES.get(pair["verdict"], "dim"))
    text.append(f" {plain(pair['b'], 48)}: ")
    if pair["verdict"] == "refused":
        text.append(plain(pair["reason"]))
    else:
        digits = decimals([pair])
        text.append(f"{number(pair['difference'], digits)} {interval(pair, digits)}, ")
        text.append(f"p {p_value(pair['p_holm'])} (Holm), n {pair['n']}")
        if pair["verdict"] == "undecided":
            text.append(f"; {_lacking(question, pair, digits)}")
    if overruled(pair):
        text.append(f" (this test set alone: {pair['fixed_verdict']})", style="dim")
    return text


def _lacking(question: Question, pair: Record, digits: int) -> str:
    """What an undecided contrast says all the same, and what would decide it."""
    said = [f"equivalent within {at_least(pair['smallest_margin'], digits)}"]
    if question.margin and pair["more_repeats"]:
        said.append(
            f"{count(pair['more_repeats'], 'more repeat')} for the margin {question.margin:g}"
        )
    elif pair["remark"]:
        said.append(plain(pair["remark"]))
    return "; ".join(said)


def _legend(question: Question, pairs: list[Record], square: bool) -> str:
    seen = {pair["verdict"] for pair in pairs}
    seen |= {"better", "worse"} if seen & {"better", "worse"} else set()
    marks = ", ".join(f"{SYMBOLS[word]} {WORDS[word]}" for word in SYMBOLS if word in seen)
    marks = f"{marks} the column's method  " if square else ""
    other = sum(map(overruled, pairs))
    alone = f"; this test set alone decides {other} otherwise" if other else ""
    test = named_test(pairs, bool(question.cross))
    return f"{marks}({test}, {family(pairs)}, alpha {question.alpha:g}{alone})"


def _width(columns: Sequence[Column]) -> int:
    return sum(_wide(column) + 2 for column in columns) - 2


def _wide(column: Column) -> int:
    heading, cells, _ = column
    return max(cell_len(heading), *(cell.cell_len for cell in cells), 0)


def _print_columns(console: Console, columns: Sequence[Column]) -> None:
    heading = Text("  ").join(_pad(Text(h), c) for c in columns for h in c[:1])
    heading.stylize("bold")
    _print(console, heading)
    for cells in zip(*(column[1] for column in columns), strict=True):
        pairs = zip(cells, columns, strict=True)
        _print(console, Text("  ").join(_pad(cell, column) for cell, column in pairs))


def _pad(cell: Text, column: Column) -> Text:
    space = Text(" " * (_wide(column) - cell.cell_len))
    return space + cell if column[2] == "right" else cell + space


def _print(console: Console, text: Text) -> None:
    text = _encodable(console, text)
    text.rstrip()
    console.print(text, soft_wrap=True, no_wrap=True, overflow="ignore", crop=False)


def _encodable(console: Console, text: Text) -> Text:
    """The text with question marks for what the output's encoding lacks."""
    try:
        text.plain.encode(console.encoding)
    except UnicodeEncodeError:
        text = text.copy()
        text.plain = text.plain.encode(console.encoding, "replace").decode(console.encoding)
    return text
