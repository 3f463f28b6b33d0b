"""Slips in a user's files that would train on something else without a word: said, or read rightly."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from funcdl.data.files.huggingface import huggingface
from funcdl.data.files.picture import eight_bits
from funcdl.data.files.ratings import ratings
from funcdl.data.files.series import series
from funcdl.data.files.table import table
from funcdl.data.files.text import text
from funcdl.data.load import make_data
from funcdl.errors import DataError

RULE: Any = {"by": "random", "test": 0.2, "validation": 0.2, "seed": 0}
N = 60
LABELS = [i % 2 for i in range(N)]


def frame(**columns: Any) -> Any:
    return pd.DataFrame({"y": LABELS, **columns})


def of_csv(tmp_path, given: pd.DataFrame) -> str:
    given.to_csv(tmp_path / "a.csv", index=False)
    return str(tmp_path / "a.csv")


def changed(values: Any, row: int, value: Any) -> list[Any]:
    found = list(values)
    found[row] = value
    return found


SLIPS = {
    "a letter in a number": (
        {"x": changed(range(N), 7, "7x")},
        {},
        r"line 9, column 'x': '7x' is no number, but 59 of 60 rows are; .*categorical: \[x\]",
    ),
    "a letter in a target": (
        {"y": changed(LABELS, 7, "l"), "x": range(N)},
        {},
        r"line 9, column 'y': 'l' is no number, but 59 .*predict: labels",
    ),
    "marks of thousands": (
        {"x": [f"{i},000.5" for i in range(N)]},
        {},
        r"'x' has 60 different texts in 60 rows, such as '0,000\.5'",
    ),
    "underscores": (
        {"x": [f"{i}_0" for i in range(N)]},
        {},
        r"'x' has 60 different texts in 60 rows",
    ),
    "too large": (
        {"x": changed(range(N), 7, "1e300")},
        {},
        r"line 9, column 'x': 1e\+300 is too far from the other numbers for float32",
    ),
    "too large as it is": (
        {"x": changed(range(N), 7, "1e300")},
        {"standardise": False},
        r"line 9, column 'x': 1e\+300 is too far",
    ),
    "a target too large": (
        {"y": changed([i / 7 for i in range(N)], 7, 1e300), "x": range(N)},
        {},
        r"line 9, column 'y': 1e\+300 is too far",
    ),
    "a rare class": (
        {"y": changed(["ab"[i] for i in LABELS], 7, "rare"), "x": range(N)},
        {"split": {"by": "stratified"}},
        r"label 2 \('rare'\) with 1, at index 7",
    ),
}


@pytest.mark.parametrize("case", SLIPS)
def test_slips_in_a_table_are_said_with_their_line(tmp_path, case):
    columns, arguments, message = SLIPS[case]
    given: dict[str, Any] = {"split": RULE, **arguments}
    with pytest.raises(DataError, match=message):
        table(path=of_csv(tmp_path, frame(**columns)), target="y", **given)


def test_columns_that_are_meant_as_text_can_be_said_so(tmp_path):
    mixed = of_csv(tmp_path, frame(x=[str(i % 5) if i % 6 else "5+" for i in range(N)]))
    assert table(path=mixed, target="y", categorical=["x"], split=RULE).train.inputs.shape[1] == 6
    names = of_csv(tmp_path, frame(x=[f"person {i}" for i in range(N)]))
    assert table(path=names, target="y", categorical=["x"], split=RULE).train.inputs.shape[1] == 36
    labels = of_csv(
        tmp_path, frame(y=[str(i % 3) if i % 3 else "none of it" for i in range(N)], x=1)
    )
    found = table(path=labels, target="y", predict="labels", split=RULE)
    assert found.classes == ("1", "2", "none of it")


def test_true_and_false_are_themselves_however_written(tmp_path):
    words = ["True", "true", "FALSE", "false"]
    spelt = of_csv(tmp_path, frame(y=[words[i % 4] for i in range(N)], x=range(N)))
    given = frame(y=[i % 4 < 2 for i in range(N)], x=range(N))
    found = table(path=spelt, target="y", split=RULE)
    assert found.classes == ("False", "True")
    assert found.digest == table(path=given, target="y", split=RULE).digest
    as_input = of_csv(tmp_path, frame(x=[words[i % 4] for i in range(N)]))
    of_bools = table(path=frame(x=[i % 4 < 2 for i in range(N)]), target="y", split=RULE)
    assert table(path=as_input, target="y", split=RULE).digest == of_bools.digest


LARGE = 12345678901234567890  # beyond 2^53: neighbours are one float64


@pytest.mark.parametrize("kind", ["csv", "frame", "parquet"])
def test_long_numbers_stay_apart_as_names(tmp_path, kind):
    def source(given: pd.DataFrame) -> Any:
        if kind == "frame":
            return given
        if kind == "csv":
            return of_csv(tmp_path, given)
        pyarrow.parquet.write_table(pyarrow.Table.from_pandas(given), tmp_path / "a.parquet")
        return str(tmp_path / "a.parquet")

    step = np.arange(N, dtype=np.uint64)
    chosen = pd.DataFrame(
        {
            "user": LARGE + step // np.uint64(6),
            "item": LARGE + step % np.uint64(6),
            "time": range(N),
        }
    )
    small = chosen.assign(user=np.arange(N) // 6, item=np.arange(N) % 6)
    found, expected = ratings(path=source(chosen)), ratings(path=small)  # type: ignore[arg-type]
    assert found.classes == ("(padding)", *(str(LARGE + i) for i in range(6)))
    for part, other in zip(found[:3], expected[:3], strict=True):
        assert np.array_equal(part.inputs["history"], other.inputs["history"])
        assert np.array_equal(part.inputs["user"], other.inputs["user"])
    people = frame(y=LARGE + step % np.uint64(2), x=LARGE + step % np.uint64(3))
    found = table(path=source(people), target="y", categorical=["x"], split=RULE)
    assert found.classes == (str(LARGE), str(LARGE + 1))
    assert found.train.inputs.shape[1] == 3


def test_long_numbers_stay_apart_beside_missing_ones(tmp_path):
    given = {"x": [None if i == 5 else 2**62 + i % 3 for i in range(N)], "y": LABELS}
    pyarrow.parquet.write_table(pyarrow.table(given), tmp_path / "a.parquet")
    arguments: dict[str, Any] = {"categorical": ["x"], "missing": "drop", "split": RULE}
    found = table(path=str(tmp_path / "a.parquet"), target="y", **arguments)
    assert found.train.inputs.shape == (35, 3)


def test_zeros_in_front_tell_names_apart(tmp_path):
    codes = of_csv(tmp_path, frame(y=["007" if i % 2 else "7" for i in range(N)], x=range(N)))
    assert table(path=codes, target="y", split=RULE).classes == ("007", "7")


@pytest.mark.parametrize("value", [[1, 2], b"\xff", 1j, pd.Timedelta("1h")], ids=str)
def test_columns_of_other_things_are_refused_if_they_are_used(value):
    given = frame(x=range(N), odd=[value] * N)
    with pytest.raises(DataError, match=f"'odd' holds values of type {type(value).__name__}"):
        table(path=given, target="y", split=RULE)
    assert table(path=given, target="y", ignore=["odd"], split=RULE).train.inputs.shape == (36, 1)


def test_numbers_kept_as_objects_or_text_are_numbers():
    wanted = table(path=frame(x=range(N)), target="y", split=RULE)
    objects = table(path=frame(x=pd.Series(range(N), dtype=object)), target="y", split=RULE)
    assert objects.digest == wanted.digest
    numbers = frame(x=range(N), y=[str(i / 7) for i in range(N)])
    found = table(path=numbers, target="y", predict="numbers", split=RULE)
    assert found.train.targets.dtype == np.float32


DAYS = pd.date_range("2024-01-01", periods=N)
VALUES = [100.0 + i % 7 for i in range(N)]


def windows(**given: Any) -> Any:
    source: Any = pd.DataFrame({"t": DAYS, "v": VALUES}).assign(**given)
    return series(path=source, values=["v"], time="t", window=4)


def test_days_are_days_however_written():
    wanted = windows().digest
    for written in ("%Y-%m-%d", "%Y-%m-%d 12:00", "%Y-%m-%dT12:00:00Z", "%Y-%m-%dT12:00:00+02:00"):
        assert windows(t=DAYS.strftime(written)).digest == wanted
    assert windows(t=DAYS.tz_localize("Europe/Berlin")).digest == wanted
    # As a number the step from 20240131 to 20240201 would be 70 days long.
    assert windows(t=DAYS.strftime("%Y%m%d").astype(int)).digest == wanted
    months = pd.date_range("2000-01-01", periods=N, freq="MS").strftime("%Y-%m")
    assert windows(t=months).digest == wanted


def test_moments_with_a_zone_are_ordered_by_it():
    """The second half is written in another zone: by its local times it would overlap the first."""
    hours = pd.date_range("2024-01-01", periods=N, freq="h", tz="UTC")
    written = [
        (hour.tz_convert("UTC" if i < 30 else "America/New_York")).isoformat()
        for i, hour in enumerate(hours)
    ]
    assert windows(t=written).digest == windows(t=hours.strftime("%Y-%m-%dT%H:%M")).digest


@pytest.mark.parametrize("word", ["NaT", "today", "now", "5", "2024-02-30", "01/02/2024"])
def test_words_are_no_moments(word):
    with pytest.raises(DataError, match=f"row 5, column 't': '{word}' is no moment"):
        windows(t=changed(DAYS.strftime("%Y-%m-%d"), 5, word))


def test_some_moments_with_a_zone_and_some_without_are_refused():
    with pytest.raises(
        DataError, match=r"row 5, .* has a time zone, but '2024-01-01' in row 0 has none"
    ):
        windows(t=changed(DAYS.strftime("%Y-%m-%d"), 5, "2024-01-06T00:00Z"))


def test_a_gap_is_refused_unless_said(tmp_path):
    path = of_csv(tmp_path, pd.DataFrame({"t": DAYS, "v": VALUES}).drop(20))
    given: dict[str, Any] = {"path": path, "values": ["v"], "time": "t", "window": 4}
    with pytest.raises(DataError, match=r"line 22: from 2024-01-20 .*2024-01-22 .*gaps: join"):
        series(**given)
    assert len(series(**given, gaps="join").train.targets) > 0
    with pytest.raises(DataError, match=r"data\.gaps is 'fill'; allowed are refuse, join"):
        series(**given, gaps="fill")  # type: ignore[arg-type]
    trading = pd.date_range("2024-01-01", periods=N, freq="B")
    assert windows(t=trading).digest == windows().digest


def test_a_value_too_far_from_the_others_is_refused_in_any_split():
    with pytest.raises(DataError, match="too far from the others for float32"):
        windows(v=changed(VALUES, N - 1, 1e300))


def test_ratings_are_ordered_by_dates(tmp_path):
    chosen = pd.DataFrame({"user": "u", "item": range(12), "time": range(12)})
    dated = chosen.assign(time=DAYS[:12].strftime("%Y-%m-%d")).sample(frac=1, random_state=0)
    found = ratings(path=of_csv(tmp_path, dated))
    assert found.digest == ratings(path=chosen).digest  # type: ignore[arg-type]


def test_a_long_text_is_no_open_quote(tmp_path):
    given = pd.DataFrame({"text": ["a b " * 50_000, *["c"] * 19], "label": ["x", "y"] * 10})
    assert text(path=of_csv(tmp_path, given), length=4, split=RULE).train.inputs.shape == (12, 4)


def test_examples_without_a_number_are_refused():
    with pytest.raises(DataError, match=r"inputs has the shape \[60, 0\]"):
        make_data((np.zeros((N, 0)), np.array(LABELS)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_pictures_of_a_library_are_grey_or_rgb_of_eight_bits(tmp_path, mode):
    datasets = pytest.importorskip("datasets")
    grey = np.random.default_rng(0).integers(0, 2, (4, 5), dtype=np.uint8) * 255
    if mode == "I;16":
        grey[0] = 200
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(grey).convert("RGB").convert(mode)
    channels = 1 if mode in ("1", "L", "LA", "I;16") else 3
    np.testing.assert_array_equal(
        np.asarray(eight_bits(picture)).reshape(4, 5, -1), np.stack([grey] * channels, -1)
    )
    if mode == "CMYK":  # no PNG has it
        return
    made = datasets.Dataset.from_dict(
        {"image": [picture] * N, "label": LABELS},
        features=datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")}),
    )
    made.save_to_disk(str(tmp_path / "saved"))
    found = huggingface(path=str(tmp_path / "saved"), x="image", split=RULE)
    np.testing.assert_array_equal(
        found.train.inputs[0], np.stack([grey / np.float32(255)] * channels, -1)
    )


def test_a_librarys_texts_say_how_many_ids_there_are(tmp_path):
    """Models of texts are as large as the data say; and what is missing or kept back is said."""
    datasets = pytest.importorskip("datasets")
    kinds = datasets.ClassLabel(names=["bad", "good"])

    def saved(**columns: Any) -> str:
        given = {"text": [f"post {i % 4}" for i in range(N)], "label": LABELS, **columns}
        datasets.Dataset.from_dict(given).cast_column("label", kinds).save_to_disk(tmp_path / "a")
        return str(tmp_path / "a")

    found = huggingface(path=saved(), size=50, split={"by": "group", "test": 12, "validation": 12})
    assert found.ids == {"tokens": 50}
    assert [len(part.targets) for part in found[:3]] == [30, 15, 15]  # texts stay whole
    with pytest.raises(DataError, match=r"1 of 60 labels outside 0\.\.1; the first is -1 in row 3"):
        huggingface(path=saved(label=changed(LABELS, 3, -1)))
    with pytest.raises(DataError, match="'text' is empty in 1 rows; the first is row 3"):
        huggingface(path=saved(text=changed(["a"] * N, 3, None)))
    with pytest.raises(DataError, match=r"data\.size is 1; allowed are integers from 3"):
        huggingface(path=saved(), size=1)
