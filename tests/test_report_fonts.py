"""Names in other scripts: shortened by their width, and drawn in a font that has their letters."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false

import warnings

import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from rich.cells import cell_len

from funcdl.report.answer import answer
from funcdl.report.figures import fonts
from funcdl.report.figures.drawing import FONT, breadth, shortened, style
from funcdl.report.figures.gallery import drawings
from funcdl.report.figures.printing import pdf, png
from funcdl.report.material import Material
from funcdl.report.record import records
from tests.report_frames import quickstart


def letters_of(name):
    path = font_manager.findfont(FontProperties(family=name))
    return font_manager.get_font(path).get_charmap()


@pytest.fixture
def only_stix(monkeypatch):
    """A machine whose only other font is one that comes with Matplotlib."""
    monkeypatch.setattr(fonts, "_installed", lambda: ("STIXGeneral",))
    find = fonts.families
    find.cache_clear()
    yield chr(min(set(letters_of("STIXGeneral")) - set(letters_of(FONT)) - set(range(0x2000))))
    find.cache_clear()


def titled(text):
    with style():
        figure = Figure(figsize=(2, 1))
        figure.text(0.2, 0.5, text)
    return figure


def test_a_letter_comes_from_a_font_that_has_it(only_stix, monkeypatch):
    assert fonts.families(frozenset("sgd" + only_stix)) == ("STIXGeneral",)
    figure = titled(only_stix)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, page = png(figure), pdf(figure)
    assert (png(figure), pdf(figure)) == (found, page)
    monkeypatch.setattr(fonts, "families", lambda letters: ())
    assert png(figure) != found  # the box
    assert figure.texts[0].get_fontfamily() == [FONT]


def test_the_usual_font_is_kept_where_it_has_the_letters(only_stix):
    assert fonts.families(frozenset("sgd ünïcödé αβ")) == ()
    assert fonts.families(frozenset("\U00012345")) == ()  # in no font here: a box, and no error


def test_boxes_of_a_placeholder_are_no_letters():
    assert not any(name.startswith("Last Resort") for name in fonts._installed())
    assert FONT not in fonts._installed()
    assert len(set(fonts._installed())) == len(fonts._installed())


@pytest.mark.parametrize(
    "name", ["名前" * 30, "名前ab" * 30, "a" * 99 + "名" * 99, "W" * 99, "ok", ""]
)
@pytest.mark.parametrize("room", [12, 26])
def test_a_name_is_shortened_to_its_width(name, room):
    found = shortened(name, room)
    assert cell_len(found) <= room
    assert cell_len(found) >= min(cell_len(name), room - 3)


@pytest.mark.parametrize("text", ["sgd/logistic", "WWWWWWWW", "ADAMW/RESNET", "mmmmmm", "i_l-1.5"])
def test_text_is_at_most_as_broad_as_reckoned(text):
    """Against the advance widths of the font itself."""
    font = font_manager.get_font(font_manager.findfont(FontProperties(family=FONT)))
    font.set_size(9, 72)
    font.set_text(text)
    assert font.get_width_height()[0] / 64 / 72 <= breadth(text) + 0.02


def test_names_are_not_cut_at_the_edge():
    question, runs, metrics = quickstart(trials=2)
    names = {label: "W" * 40 + label for label in question.labels("")}
    question = question._replace(
        methods=tuple(("", names[label]) for _, label in question.methods), contrasts=()
    )
    runs, metrics = (frame.replace({"method": names}) for frame in (runs, metrics))
    table = records(answer(Material(question, runs)).table)
    figure = drawings(question, table, records(runs), metrics)[0].figure
    figure.canvas.draw()
    edges = [text.get_window_extent().x0 for text in figure.axes[0].get_yticklabels()]
    assert min(edges) >= 0
