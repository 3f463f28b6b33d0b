"""The report's files for papers: LaTeX, Markdown, CSV, SVG, PDF and PNG."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalIterable=false
# (what indexing a frame gives is not known to the checker)

import csv
import hashlib
import io
import itertools
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from PIL import Image

from funcdl.report import export
from funcdl.report.answer import answer
from funcdl.report.cells import cells
from funcdl.report.exhibits import Names
from funcdl.report.figures.drawing import Drawing
from funcdl.report.folder import render, save
from funcdl.report.latex import escape, latex
from funcdl.report.markdown import markdown
from funcdl.report.material import Material
from funcdl.report.wording import plain
from tests.report_frames import quickstart
from tests.test_report_page import HOSTILE, STUDIES, renamed

SPECIALS = [
    *HOSTILE,
    r"\input{/etc/passwd} $x_1^2$ 50 % & #1 {~}",
    "[1] *a* _b_ `c` ~~d~~ | e \\| f",
    "--- ?` !` << >> \"quoted\" 'single' ,,",
    "https://example.org/?a=b&c=d www.example.org a@b.org",
    "![alt](data:x) <a href=javascript:alert(1)>x</a> &lt; &amp;",
    "مرحبا שלום",
    "a -->",
    "ﬁn ünïcödé",
]


PRINTED = export.PRINTED


@pytest.fixture(scope="module", autouse=True)
def as_many_as_people_get():
    """Of the figures that are printed; other tests do without most."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "PRINTED", PRINTED)
        yield


@pytest.fixture(scope="module")
def files():
    return render(Material(*STUDIES["odd names"]())).files


def test_markdown_is_a_table_whose_cells_are_the_texts():
    """Against a parser of CommonMark with GitHub's tables, HTML and links switched on."""
    text = markdown(
        ["name", "n"], [[name, "1"] for name in SPECIALS], [False, True], caption=SPECIALS[0]
    )
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    assert "html_block" not in {token.type for token in tokens}
    found = []
    for before, token in itertools.pairwise(tokens):
        if token.type == "inline":
            kinds = {child.type for child in token.children}
            assert kinds <= {"text", "text_special"}, (token.content, kinds)
            said = "".join(child.content for child in token.children)
            found.append((before.type, said))
    cell = [said for kind, said in found if kind == "td_open"][::2]
    assert cell == [plain(name).strip() for name in SPECIALS]
    assert found[0] == ("paragraph_open", plain(SPECIALS[0]))


def undone(text):
    """What LaTeX would set: the escapes of `funcdl.report.latex`, read backwards by its own rules."""
    named = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textbar": "|"}
    named |= {"textless": "<", "textgreater": ">", "textquotesingle": "'", "textasciigrave": "`"}
    named |= {"dots": "…"}
    pattern = r"\\([a-z]+)\{\}|\\([{}$&#%_])|\{\\char34\}|\{([\[\]*])\}|\{\}|(.)"

    def one(found):
        if found[0] == r"{\char34}":
            return '"'
        return named.get(found[1] or "") or found[2] or found[3] or found[4] or ""

    return re.sub(pattern, one, text, flags=re.DOTALL)


@pytest.mark.parametrize("name", SPECIALS)
def test_latex_has_no_command_that_a_name_brought(name):
    text = escape(name)
    assert undone(text) == plain(name)
    commands = set(re.findall(r"\\([A-Za-z]+)", text))
    assert all(command.startswith("text") or command in ("char", "dots") for command in commands)
    bare = re.sub(r"\\[A-Za-z]+|\\.|\{\}", "", text)
    assert not re.search(r"[$&#%_~^\\]", bare)
    assert not re.search(r"--|<<|,,|[?!]`", text)


def test_a_latex_table_has_as_many_cells_as_columns():
    text = latex(["a", "b"], [["[x]", "*"], ["&", "\\\\"]], [False, True], caption="c", label="d e")
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")]
    rows = re.findall(r"^    (.*) \\\\$", body, re.MULTILINE)
    assert len(rows) == 2
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) == 1
        assert row[0] not in "[*"
    assert r"\begin{tabular}{lr}" in text
    assert r"\label{tab:d-e}" in text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_pdflatex_sets_every_table(files, tmp_path):
    """Names in Latin scripts; others need a font, as the file says."""
    latin = [name for name in SPECIALS if plain(name).isascii()]
    question, runs, metrics = renamed(*quickstart(), latin[:9])
    made = render(Material(question, runs, metrics)).files
    tables = [content.decode() for name, content in made.items() if name.endswith(".tex")]
    tables.append(latex(["n"], [[name] for name in latin], [False], caption=latin[0], label="l"))
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "all.tex").write_text(head + "\n".join(tables) + "\n\\end{document}\n", "utf-8")
    ended = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=batchmode", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, (tmp_path / "all.log").read_text("latin-1")[-2000:]
    if shutil.which("pdftotext"):
        said = subprocess.run(
            ["pdftotext", "-layout", "all.pdf", "-"], cwd=tmp_path, capture_output=True, check=True
        ).stdout.decode()
        assert "<script>" in said.replace(" ", "")


def test_cells_show_numbers_as_a_reader_wants_them():
    frame = pd.DataFrame(
        {
            "x": [0.123456, np.nan, np.inf, -1e-9, 123456.7],
            "n": pd.array([1, None, 12345, 0, 7], dtype="Int64"),
            "p": [0.0312, 1.0, None, 0.00001, 0.5],
            "flag": [True, False, None, True, False],
            "text": ["a", None, "", "\x1b[31mred", "1,234"],
        }
    )
    found = cells(frame)
    assert found.header == list(frame)
    assert [list(column) for column in zip(*found.rows, strict=True)] == [
        ["0.1235", "–", "∞", "-1e-9", "123,457"],
        ["1", "–", "12,345", "0", "7"],
        [".031", "1.000", "–", "<.001", ".500"],
        ["yes", "no", "–", "yes", "no"],
        ["a", "–", "–", "[31mred", "1,234"],
    ]
    assert found.right == [True, True, True, False, False]
    assert cells(pd.DataFrame()).rows == []


def test_names_of_files_are_safe_and_tell_apart():
    names = Names()
    given = [names(word, block) for block in ("", "b", "B") for word in [*SPECIALS, "CON", "x"]]
    assert len({name.casefold() for name in given}) == len(given)
    for name in given:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
        assert len(name) < 100
        assert not name.endswith(".")


def test_every_table_and_figure_has_its_files(files):
    by_name: dict[str, set[str]] = {}
    for name in files:
        stem, _, ending = name.rpartition(".")
        by_name.setdefault(stem, set()).add(ending)
    assert by_name.pop("index") == {"html"}
    for name, endings in by_name.items():
        wanted = {"svg", "pdf", "png"} if name.startswith("figures/") else {"csv", "md", "tex"}
        assert endings == wanted, name
    assert {"table", "comparisons", "figures/intervals", "figures/learning"} <= set(by_name)
    assert list(files)[-1] == "index.html"


def test_figures_are_what_their_endings_say(files):
    for name, content in files.items():
        if name.endswith(".svg"):
            root = ET.fromstring(content)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert len(root.attrib["aria-label"]) > 20
            tags = {element.tag.rpartition("}")[2] for element in root.iter()}
            assert tags <= {"svg", "style", "g", "path", "text", "defs", "use", "clipPath", "rect"}
            assert b"var(" not in content
        if name.endswith(".png"):
            image = Image.open(io.BytesIO(content))
            assert image.size[0] == 1040
            assert not image.text
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF-")
            assert b"CreationDate" not in content
            assert not re.search(rb"/Subtype\s*/Type3", content)


def test_a_name_in_any_script_is_in_the_svg_as_text(files):
    text = files["figures/intervals.svg"].decode()
    assert "模型/优化器" in text
    assert "&lt;script&gt;" in text


def test_csv_has_full_precision_and_no_formulas(files):
    rows = list(csv.DictReader(io.StringIO(files["table.csv"].decode())))
    assert "'=cmd|' /C calc'!A0" in {row["method"] for row in rows}
    expected = answer(Material(*quickstart())).table["mean"]
    assert [float(row["mean"]) for row in rows] == list(expected)


def test_files_are_the_same_bytes_in_another_process_with_other_hashes(tmp_path):
    """Sets and dates show here: Python's hash of text differs between the two."""
    code = (
        "import hashlib, sys\n"
        "from funcdl.report.folder import render\n"
        "from funcdl.report.material import Material\n"
        "from tests.report_frames import quickstart\n"
        "files = render(Material(*quickstart(models={'mlp': 0.97}))).files\n"
        "print(hashlib.sha256(b''.join(k.encode() + v for k, v in files.items())).hexdigest())\n"
    )
    env = {"PYTHONHASHSEED": "1", "HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    env |= {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path))}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    here = render(Material(*quickstart(models={"mlp": 0.97}))).files
    joined = b"".join(name.encode() + content for name, content in here.items())
    assert ended.stdout == hashlib.sha256(joined).hexdigest() + "\n"


def test_a_report_is_written_as_it_was_made(tmp_path):
    made = render(Material(*quickstart(models={"mlp": 0.97})))
    save(tmp_path, made)
    found = {
        path.relative_to(tmp_path / "report").as_posix(): path.read_bytes()
        for path in (tmp_path / "report").rglob("*")
        if path.is_file()
    }
    assert found == dict(made.files)


def test_of_very_many_figures_the_later_ones_are_svg_alone(monkeypatch):
    monkeypatch.setattr(export, "PRINTED", 2)
    names = render(Material(*quickstart(models={"mlp": 0.97}))).files
    count = {end: sum(name.endswith(end) for name in names) for end in (".svg", ".pdf", ".png")}
    assert count[".pdf"] == count[".png"] == 2 < count[".svg"]
    said = names["index.html"].decode()
    assert f"PDF and PNG only the 2 of {count['.svg']} that come first" in said


def test_the_first_blocks_are_the_ones_that_are_printed(monkeypatch):
    monkeypatch.setattr(export, "PRINTED", 3)
    monkeypatch.setattr(export, "pdf", lambda figure: b"")
    monkeypatch.setattr(export, "png", lambda figure: b"")
    places = ["b", "a", "b", "", "a", "b"]
    named = [
        (f"f{i}", Drawing(block, "t", "t", Figure()), "<svg>") for i, block in enumerate(places)
    ]
    found = [name for name, _ in export.pictures(named, ["a", "b"])]
    assert [name for name in found if name.endswith(".pdf")] == [
        "figures/f1.pdf",
        "figures/f3.pdf",
        "figures/f4.pdf",
    ]
    assert sum(name.endswith(".svg") for name in found) == 6
