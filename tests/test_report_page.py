"""The page, the terminal and the folder, whatever the study and its names."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportOptionalSubscript=false, reportOptionalMemberAccess=false
# (what indexing a frame gives is not known to the checker)

import base64
import hashlib
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
from funcdl.report import export, show, write
from funcdl.report.answer import answer
from funcdl.report.material import Material
from funcdl.report.methods import methods
from funcdl.report.notebook import notebook
from funcdl.report.sections.costs import costs
from tests.report_frames import quickstart

HOSTILE = [
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</style></svg></title><b>bold</b><img src=https://outside.invalid/a.png>",
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


@pytest.fixture(autouse=True)
def _without_prints(monkeypatch):
    """PDF and PNG take most of a report's time; `tests/test_exports.py` looks at them."""
    monkeypatch.setattr(export, "PRINTED", 0)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_report(name, tmp_path):
    question, runs, metrics = STUDIES[name]()
    found = write(tmp_path, Material(question, runs, metrics))
    report = tmp_path / "report"
    tables = {f"{name}.{end}" for name in ("table", "comparisons") for end in ("csv", "md", "tex")}
    assert {p.name for p in report.iterdir() if p.is_file()} == tables | {"index.html"}
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
        assert key not in ("src", "action", "srcset", "formaction", "background")
        assert key not in ("href", "xlink:href") or value.startswith("#")
    assert not re.search(r"\bnan\b|\bNone\b|&lt;NA&gt;", text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert {v[1:] for k, v in page.attributes if k in ("href", "xlink:href")} <= set(ids)
    assert len(text) < 700_000


def test_the_page_refuses_to_load_anything(tmp_path):
    write(tmp_path, Material(*quickstart()))
    text = (tmp_path / "report/index.html").read_text("utf-8")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src-elem 'sha256-{digest}'; style-src-attr 'unsafe-inline'; "
    )
    policy += "base-uri 'none'; form-action 'none'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert text.count("<style") == 1
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
    assert text.count('role="img"') >= 4


def test_the_parts_of_the_page_come_in_the_order_of_a_paper(tmp_path):
    question, runs, metrics = quickstart()
    question = question._replace(heading="Is lion better?", setting={"data": "digits"})
    found = write(tmp_path, Material(question, runs, metrics))
    text = (tmp_path / "report/index.html").read_text("utf-8")
    order = [
        "<h1>Is lion better?</h1>",
        "9 methods on digits",
        "The whole config",
        html.escape(found.sentence)[:40],
        'id="results-1"',
        "What differs",
        "Learning curves",
        "Tuning trials",
        "What it cost",
        "What could overturn this",
        "Methods, for a paper",
        "How to reproduce it",
        "Environment",
    ]
    body = text[text.index("<body>") :].replace("<nav", "\0", 1)
    body = re.sub(r"\0.*?</nav>", "", body, flags=re.DOTALL)
    places = [body.index(words) for words in order]
    assert places == sorted(places)


def test_the_methods_paragraph_says_what_was_done():
    question, runs, metrics = quickstart()
    question = question._replace(
        setting={"data": "digits", "task": "classification", "steps": "400", "batch size": "64"},
        margin=0.01,
        stopping="the best third goes on at each rung",
    )
    found = answer(Material(question, runs, metrics))
    text = " ".join(methods(question, found))
    for needed in (
        "We compared 9 methods",
        "on digits (classification)",
        "400 steps",
        "8 trials searched optimizer.learning_rate in log_uniform",
        "the best third goes on",
        "largest validation/accuracy was selected",
        "5 times with fresh random seeds",
        "init, order and dropout",
        "paired t-tests",
        "36 contrasts by Holm's method [",
        "within ±0.01 [",
        "JAX 0.10.2",
    ):
        assert needed in text, needed
    cited = re.findall(r"\[(\d+)\]", text)
    assert sorted(set(cited)) == [str(i) for i in range(1, len(set(cited)) + 1)]
    assert all(cited.count(number) == 2 for number in set(cited))  # once said, once listed


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_methods_paragraph(name):
    question, runs, metrics = STUDIES[name]()
    text = " ".join(methods(question, answer(Material(question, runs, metrics))))
    assert not re.search(r"\bnan\b|\bNone\b|\(\)| \.", text)
    assert "  " not in text or "odd" in name


def test_costs_are_those_of_the_runs():
    question, runs, metrics = quickstart()
    runs = runs.assign(steps=400, flops=2e6, memory=3 * 2**20, parameters=650)
    found = answer(Material(question, runs, metrics))
    (section,) = costs(Material(question, runs, metrics), found)
    (grid,) = section.grids
    measured = runs[runs["phase"] == "measure"].groupby("method")["seconds"]
    for _, row in grid.frame.iterrows():
        seconds = measured.get_group(row["method"])
        assert row["n"] == 5
        assert row["seconds per run"] == pytest.approx(seconds.mean())
        assert row["steps per second"] == pytest.approx(400 / seconds.mean())
        assert row["all runs, s"] == pytest.approx(
            runs["seconds"][runs["method"] == row["method"]].sum()
        )
    assert set(grid.frame["memory, MiB"]) == {3.0}
    assert set(grid.frame["FLOPs per step"]) == {2e6}
    assert list(grid.frame["method"]) == question.labels("")


def test_a_notebook_gets_the_table_escaped():
    question, runs, metrics = STUDIES["odd names"]()
    text = notebook(question, answer(Material(question, runs, metrics)))
    page = Page(text)
    assert set(page.tags) <= {
        "p",
        "strong",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
    }
    assert page.tags.count("tr") == 10
    assert HOSTILE[0] in "".join(page.text)


def test_the_report_is_the_same_bytes_every_time(tmp_path):
    for name in "ab":
        write(tmp_path / name, Material(*quickstart()))
    for path in (tmp_path / "a/report").rglob("*.*"):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == other.read_bytes()


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

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


def browsed(page, folder, *flags):
    """What a headless browser makes of a page, and its log."""
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    quiet += ["--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}"]
    return subprocess.run(
        [CHROMIUM, *quiet, *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_runs_nothing_of_the_names(tmp_path):
    """No dialog, no request, no title changed; the style is taken, so the policy's digest is right."""
    write(tmp_path, Material(*STUDIES["odd names"]()))
    report = tmp_path / "report" / "index.html"
    done = browsed(report, tmp_path, "--dump-dom", f"--log-net-log={tmp_path / 'net.json'}")
    assert "<title>owned" not in done.stdout
    page = Page(done.stdout)
    assert not {"script", "img", "b"} & set(page.tags)
    assert "svg" in page.tags
    assert "Content Security Policy" not in done.stderr
    assert not re.search(r"CONSOLE.*(refused|blocked)", done.stderr, re.IGNORECASE)
    assert "outside.invalid" not in (tmp_path / "net.json").read_text()  # the browser's own are


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("name", ["quickstart", "odd names", "21 methods"])
def test_a_page_is_never_wider_than_the_screen(name, tmp_path):
    """At 400 pixels only tables and code scroll, each in its own box: measured by a script beside it."""
    write(tmp_path, Material(*STUDIES[name]()))
    text = (tmp_path / "report" / "index.html").read_text("utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    probe = (
        "<script>document.title='w'+document.documentElement.scrollWidth+'/'+innerWidth</script>"
    )
    (tmp_path / "probe.html").write_text(text.replace("</body>", probe + "</body>"), "utf-8")
    for width in (500, 1280):  # headless windows are never narrower than 500
        done = browsed(
            tmp_path / "probe.html", tmp_path, "--dump-dom", f"--window-size={width},900"
        )
        wide, screen = map(int, re.search(r"<title>w(\d+)/(\d+)<", done.stdout).groups())
        assert wide <= screen
