"""The page, the terminal and the folder, whatever the study and its names."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# (what indexing a frame gives is not known to the checker)

import html
import io
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pandas as pd
import pytest
from rich.console import Console

from funcdl.errors import StoreError
from funcdl.report import show, write
from funcdl.report.answer import answer
from funcdl.report.material import Material
from tests.report_frames import quickstart

HOSTILE = [
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</style></svg></title><b>bold</b>",
    "javascript:alert(1) {{ 7*7 }} [red]markup[/red] $x^2$",
    "模型/优化器 ünïcode",
    "\x1b[31mred\x1b]0;owned\x07\x00\r\n\u202eright",
    "=cmd|' /C calc'!A0",
    "x" * 200,
    "#0072b2 & <!-- -->",
]


def renamed(question, runs, metrics, names):
    """The study with other names for its methods and, for the first, everything else."""
    new = dict(zip(question.labels(""), names, strict=True))
    first = names[0]
    space = dict.fromkeys(question.tuned, first)
    question = question._replace(
        name=first,
        command=first,
        config_text=first,
        methods=tuple(("", new[label]) for _, label in question.methods),
        contrasts=tuple(("", new[a], new[b]) for _, a, b in question.contrasts),
        spaces={("", name): space for name in names},
        environment={first: first},
        notes=(first,),
        parameters={},
    )
    return question, *(frame.assign(method=frame["method"].map(new)) for frame in (runs, metrics))


def one_method():
    question, runs, metrics = quickstart(models={"mlp": 0.97})
    keep = question.methods[:1]
    return question._replace(methods=keep, contrasts=()), runs, metrics


def all_diverged():
    question, runs, metrics = quickstart()
    lost = runs.assign(status="diverged", diverged_at=3)
    lost[[c for c in runs if c.startswith(("test/", "validation/"))]] = math.nan
    return question, lost, metrics.iloc[:0]


def all_failed():
    question, runs, _ = quickstart()
    few = ["id", "block", "method", "phase", "trial", "repeat", "status"]
    return question, runs[few].assign(status="failed"), pd.DataFrame()


def all_equal():
    question, runs, metrics = quickstart()
    runs.loc[:, [c for c in runs if c.startswith(("test/", "validation/"))]] = 0.5
    return question, runs, metrics.assign(value=0.5)


def tuning_only():
    question, runs, metrics = quickstart()
    return question, runs[runs["phase"] == "tune"], metrics[metrics["phase"] == "tune"]


def not_begun():
    return quickstart()[0], pd.DataFrame(), pd.DataFrame()


def untuned():
    question, runs, metrics = quickstart()
    question = question._replace(tuned=(), spaces={}, trials=0, parameters={}, environment={})
    return question, runs[runs["phase"] == "measure"].drop(columns="trial"), metrics


def many():
    return quickstart(models={f"model{i}": 0.9 + i / 200 for i in range(7)}, trials=2, repeats=2)


STUDIES = {
    "quickstart": quickstart,
    "one method": one_method,
    "one repeat": lambda: quickstart(repeats=1),
    "all diverged": all_diverged,
    "all failed": all_failed,
    "all equal": all_equal,
    "tuning only": tuning_only,
    "not begun": not_begun,
    "untuned": untuned,
    "21 methods": many,
    "odd names": lambda: renamed(*quickstart(), HOSTILE),
    "odd name first": lambda: renamed(*quickstart(), HOSTILE[::-1]),
}


class Page(HTMLParser):
    """Everything that matters of a page: its tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_report(name, tmp_path):
    question, runs, metrics = STUDIES[name]()
    found = write(tmp_path, Material(question, runs, metrics))
    report = tmp_path / "report"
    assert sorted(p.name for p in report.iterdir()) == [
        "comparisons.csv",
        "index.html",
        "table.csv",
    ]
    assert len(found.table) == len(question.methods)
    assert len(found.comparisons) == len(question.contrasts)
    assert found.sentence.endswith(".")
    text = (report / "index.html").read_text("utf-8")
    page = Page(text)
    assert html.escape(found.sentence).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text
    assert not {"script", "img", "b", "iframe", "link", "object"} & set(page.tags)
    assert page.tags.count("title") == page.tags.count("main") == 1
    for key, value in page.attributes:
        assert not key.startswith("on")
        assert key not in ("src", "href", "action")
        assert key != "xlink:href" or value.startswith("#")
    assert not re.search(r"\bnan\b|\bNone\b|&lt;NA&gt;", text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert len(text) < 400_000


def test_the_page_refuses_to_load_anything(tmp_path):
    write(tmp_path, Material(*quickstart()))
    text = (tmp_path / "report/index.html").read_text("utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text.replace("url(#", "")


def test_the_page_says_what_is_needed_to_judge_and_repeat_it(tmp_path):
    question, runs, metrics = quickstart()
    found = write(tmp_path, Material(question, runs, metrics))
    text = html.unescape((tmp_path / "report/index.html").read_text("utf-8"))
    for needed in (
        question.command,
        question.config_text.splitlines()[1],
        "log_uniform: [0.0001, 1.0]",
        "0.10.2",
        "this test set",
        "Holm over 36 tests",
        *runs.loc[runs["phase"] == "measure", "digest"],
        *found.warnings,
    ):
        assert needed in text
    assert text.count('role="img"') == 4


def test_the_report_is_the_same_bytes_every_time(tmp_path):
    for name in "ab":
        write(tmp_path / name, Material(*quickstart()))
    for path in (tmp_path / "a/report").iterdir():
        assert path.read_bytes() == (tmp_path / "b/report" / path.name).read_bytes()


def test_a_report_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "report").write_text("in the way")
    with pytest.raises(StoreError, match="report"):
        write(tmp_path, Material(*quickstart()))


# --- terminal


def printed(study, width=200, **settings):
    question, runs, _ = study
    file = io.StringIO()
    show(question, answer(Material(question, runs)), Console(file=file, width=width, **settings))
    return file.getvalue()


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_prints(name):
    text = printed(STUDIES[name]())
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert not re.search(r"\bnan\b|\bNone\b|<NA>", text)
    narrow = printed(STUDIES[name](), width=40, force_terminal=True, color_system=None)
    assert "#" in narrow


def test_rows_are_whole_and_in_order_of_rank():
    study = quickstart()
    table = answer(Material(*study[:2])).table.sort_values("rank")
    lines = printed(study, width=40).splitlines()
    assert lines[0].split()[:4] == ["#", "method", "n", "test/accuracy"]
    assert [line.split()[1] for line in lines[1:10]] == list(table["method"])
    assert [float(line.split()[3]) for line in lines[1:10]] == pytest.approx(
        list(table["mean"]), abs=5e-5
    )


def test_the_square_shows_the_verdicts():
    question, runs, _ = quickstart()
    found = answer(Material(question, runs))
    lines = printed((question, runs, None)).splitlines()
    order = list(found.table.sort_values("rank")["method"])
    square = [line.split()[-9:] for line in lines[1:10]]
    symbols = {"better": "><", "worse": "<>", "undecided": ".."}
    for _, pair in found.comparisons.iterrows():
        i, j = order.index(pair["a"]), order.index(pair["b"])
        assert square[i][j] + square[j][i] == symbols[pair["verdict"]]
    assert all(square[i][i] == "-" for i in range(9))


def test_few_pairs_are_told_in_words():
    question, runs, metrics = quickstart()
    few = question._replace(contrasts=question.contrasts[:3])
    text = printed((few, runs, metrics))
    assert text.count("undecided from") == 2
    assert re.search(r"logistic/sgd worse than mlp/sgd: -0\.\d+ \[-0\.\d+, -0\.\d+\], p \.\d", text)


def test_markup_in_names_is_text():
    question, runs, metrics = STUDIES["odd names"]()
    assert "[red]markup[/red]" in printed((question, runs, metrics), force_terminal=False)


def test_an_output_that_knows_only_ascii_gets_ascii():
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding="ascii")
    question, runs, _ = STUDIES["odd names"]()
    show(question, answer(Material(question, runs)), Console(file=file, width=100))
    file.flush()
    assert b"??/???" in buffer.getvalue()


# --- a real browser


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_runs_nothing_of_the_names(tmp_path):
    write(tmp_path, Material(*STUDIES["odd names"]()))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    flags.append(f"--user-data-dir={tmp_path / 'profile'}")
    done = subprocess.run(
        ["chromium", *flags, "--dump-dom", (tmp_path / "report/index.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "<title>owned" not in done.stdout
    page = Page(done.stdout)
    assert not {"script", "img", "b"} & set(page.tags)
    assert "svg" in page.tags
