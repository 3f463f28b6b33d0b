"""A user's own data: each documented way works, and bad files are refused with their line."""

import io
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML
from sklearn.preprocessing import StandardScaler

import funcdl as fd
from funcdl.config import expand
from funcdl.data.files import npz as npz_file
from funcdl.data.files.images import images
from funcdl.data.files.npz import npz
from funcdl.data.files.series import series
from funcdl.data.files.table import table
from funcdl.data.files.text import text
from funcdl.data.load import make_data
from funcdl.data.tree import leaves
from funcdl.errors import DataError
from funcdl.plan.splits import Splits

DOCS = (Path(__file__).parents[1] / "docs/data.md").read_text()
WRITTEN = [YAML(typ="safe").load(block) for block in re.findall(r"```yaml\n(.*?)```", DOCS, re.S)]
# Those of libraries have a file of their own.
EXAMPLES = [
    example for example in WRITTEN if example["data"]["name"] not in ("huggingface", "tfds")
]
RULE = {"by": "random", "test": 0.2, "validation": 0.2, "seed": 0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a small file of each kind that docs/data.md names."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("signals.npz", inputs=rng.normal(size=(60, 4)), targets=np.arange(60) % 2)
    people().to_csv("people.csv", index=False)
    mails = {"body": [f"word{i} is here" for i in range(40)], "kind": ["spam", "ham"] * 20}
    pd.DataFrame(mails).to_csv("mails.tsv", index=False, sep="\t")
    for kind in ("cat", "dog"):
        Path("pets", kind).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(f"pets/{kind}/{i}.{'png' if i % 2 else 'jpg'}")
    chosen = {"who": np.repeat(list("abc"), 6), "what": rng.permutation(18) % 9, "when": range(18)}
    pd.DataFrame(chosen).to_csv("ratings.csv", index=False)
    days = pd.date_range("2024-01-01", periods=80).strftime("%Y-%m-%d")
    prices = 100 + np.cumsum(rng.normal(size=80))
    pd.DataFrame({"day": days, "price": prices}).to_csv("prices.csv", index=False)
    return tmp_path


def people():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, 60),
            "income": rng.normal(3e4, 1e4, 60).round(2),
            "town": rng.choice(["Ulm", "Ägidien, West", "Rom"], 60),
            "bought": rng.choice(["yes", "no"], 60),
        }
    )


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["data"]["name"])
def test_each_documented_way_loads_as_a_config_says(folder, example):
    """Through the config, which fills in defaults and refuses what the loader does not take."""
    numbers = example["data"]["name"] == "series"
    study = fd.Study(
        task="regression" if numbers else "classification",
        data=example["data"],
        model="mlp",
        optimizer={"name": "adam", "learning_rate": 0.01},
        train={"steps": 2, "batch_size": 4},
    )
    recipe = expand(study).methods[0].recipe
    digest, described = Splits(study).find(recipe["data"])
    assert described["name"] == example["data"]["name"]
    again = make_data(example["data"])
    assert again.digest == digest
    assert all(len(leaves(part)[0][1]) for part in again[:3])


def test_all_documented_ways_are_there():
    names = [example["data"]["name"] for example in WRITTEN]
    assert names == ["npz", "table", "text", "images", "ratings", "series", "huggingface", "tfds"]


def test_the_documented_python_runs(folder):
    code = re.findall(r"```python\n(.*?)```", DOCS, re.S)[0]
    scope: dict = {}
    exec(code, scope)
    digest, _ = Splits(scope["study"]).find(scope["study"].data)
    assert len(digest) == 64


def test_a_table_is_standardised_and_encoded_by_its_training_rows(folder):
    frame = people()
    data = table(path="people.csv", target="bought", split=RULE)
    assert data.classes == ("no", "yes")
    # The rows of a split, found again by what standardising and encoding leave distinct.
    numbers = frame[["age", "income"]].to_numpy(float)
    towns = np.unique(frame["town"])
    order = {row: i for i, row in enumerate(map(tuple, rows_of(data.train.inputs)))}
    assert len(order) == 36
    for rows in subsets(frame, data):
        scaler = StandardScaler().fit(numbers[rows["train"]])
        for name, part in zip(("train", "validation", "test"), data[:3], strict=True):
            expected = np.column_stack(
                [
                    scaler.transform(numbers[rows[name]]),
                    frame["town"].to_numpy()[rows[name]][:, None] == towns,
                ]
            )
            np.testing.assert_allclose(part.inputs, expected, atol=1e-5)
            given = frame["bought"].to_numpy()[rows[name]] == "yes"
            assert part.targets.tolist() == given.astype(int).tolist()


def rows_of(inputs):
    return inputs.round(4).tolist()


def subsets(frame, data):
    """The rows of each split: the same rule applied to the numbers of the rows."""
    numbers = np.arange(len(frame), dtype=np.float32)
    plain = fd.arrays(numbers, np.zeros(len(frame)), split=RULE)
    parts = (plain.train, plain.validation, plain.test)
    named = zip(("train", "validation", "test"), parts, strict=True)
    yield {name: part.inputs.astype(int) for name, part in named}


def changed(frame, data, column, value):
    rows = next(subsets(frame, data))["test"]
    other = frame.copy()
    other.loc[rows, column] = value
    return other


@pytest.mark.parametrize(
    ("column", "value"), [("age", 1000), ("income", -1e6), ("town", "Nowhere")]
)
def test_other_test_rows_change_no_training_input(column, value):
    frame = people()
    before = table(path=frame, target="bought", split=RULE)  # type: ignore[arg-type]
    other = changed(frame, before, column, value)
    after = table(path=other, target="bought", split=RULE)  # type: ignore[arg-type]
    assert np.array_equal(before.train.inputs, after.train.inputs)
    assert np.array_equal(before.validation.inputs, after.validation.inputs)
    assert not np.array_equal(before.test.inputs, after.test.inputs)


def test_other_test_texts_change_no_training_id():
    frame = pd.DataFrame({"text": [f"a b{i % 7}" for i in range(50)], "label": ["x", "y"] * 25})
    before = text(path=frame, split=RULE)  # type: ignore[arg-type]
    other = changed(frame, before, "text", "zebra zebra a")
    after = text(path=other, split=RULE)  # type: ignore[arg-type]
    assert np.array_equal(before.train.inputs, after.train.inputs)
    assert after.test.inputs[0, :3].tolist() == [1, 1, 2]  # unknown, unknown, the most frequent


def test_csv_parquet_and_frame_are_the_same_data(folder):
    frame = people()
    frame.to_parquet("people.parquet")
    frame.to_csv("people.tsv", index=False, sep="\t")
    Path("bom.csv").write_bytes(b"\xef\xbb\xbf" + Path("people.csv").read_bytes())
    found = {
        table(path=path, target="bought").digest  # type: ignore[arg-type]
        for path in ("people.csv", "people.parquet", "people.tsv", "bom.csv", frame)
    }
    assert len(found) == 1


def test_missing_values_are_refused_imputed_or_dropped(folder):
    frame = people()
    frame.loc[3, "age"] = np.nan
    frame.loc[5, "town"] = None
    frame.to_csv("holes.csv", index=False)
    with pytest.raises(DataError, match=r"'age' is empty in 1 of 60 rows; the first is line 5"):
        table(path="holes.csv", target="bought")
    dropped = table(path="holes.csv", target="bought", missing="drop", split=RULE)
    assert sum(len(part.targets) for part in dropped[:3]) == 58
    imputed = table(
        path="holes.csv", target="bought", missing="impute", standardise=False, split=RULE
    )
    rows = next(subsets(frame, imputed))
    median = np.nanmedian(frame["age"].to_numpy()[rows["train"]])
    where = next(name for name in rows if 3 in rows[name])
    row = rows[where].tolist().index(3)
    part = {"train": imputed.train, "validation": imputed.validation, "test": imputed.test}[where]
    assert part.inputs[row, :2].tolist() == [median, 1]
    assert sum(part.inputs[:, 1].sum() for part in imputed[:3]) == 1


def test_targets_are_labels_or_numbers():
    frame = pd.DataFrame({"x": np.arange(80.0), "y": np.arange(80) % 3, "z": np.arange(80) / 7})
    given = {"path": frame, "split": RULE}
    assert table(target="y", **given).classes == ("0", "1", "2")
    assert table(target="y", predict="numbers", **given).train.targets.dtype == np.float32
    assert table(target="z", **given).classes == ()
    assert table(target="x", **given).classes == ()  # 80 different amounts
    with pytest.raises(DataError, match=r"row 1, column|row 1: column 'z' is 0.142857"):
        table(target="z", predict="labels", **given)
    with pytest.raises(DataError, match="one value only"):
        table(target="y", path=frame.assign(y=1), split=RULE)  # type: ignore[arg-type]


def test_rows_that_are_identical_stay_together_in_a_split_by_group():
    frame = pd.DataFrame({"x": np.arange(60) % 12, "c": list("ab") * 30, "y": np.arange(60) % 2})
    rule = {"by": "group", "test": 0.2, "validation": 0.2, "seed": 0}
    data = table(path=frame, target="y", split=rule)  # type: ignore[arg-type]
    parts = [{row.tobytes() for row in part.inputs} for part in data[:3]]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 12
    frame["who"] = np.arange(60) // 6
    data = table(path=frame, target="y", group="who", split=rule)  # type: ignore[arg-type]
    assert data.train.inputs.shape[1] == 3
    assert data.units is not None
    assert np.bincount(data.units).tolist() == [6, 6]


BAD_TABLES = {
    "ragged": (b"a,b\n1,2\n3\n", r"line 3: 1 fields, where there are 2 columns"),
    "ragged after a quoted newline": (b'a,b\n"1\n\n",2\n3,4,5\n', r"line 5: 3 fields"),
    "semicolons": (b"a;b\n1;2\n", r"line 1: one column 'a;b'.*has ';'"),
    "header only": (b"a,b\n", r"names of columns and no row"),
    "empty": (b"", r"is empty"),
    "latin 1": (b"a,b\n1,2\n3,caf\xe9\n", r"line 3: byte 0xe9 at place 6 is not UTF-8"),
    "open quote": (b'a,b\n1,2\n"3,4\n', r"line 3 or after it"),
    "two names": (b"a,a\n1,2\n", r"two columns are named 'a'"),
    "no name": (b"a,,b\n1,2,3\n", r"column 2 has no name"),
    "columns": (b",".join(b"c%d" % i for i in range(30_000)) + b"\n", r"30000 columns; at most"),
    "target": (b"a,b\n1,2\n", r"no column 'y'; it has a, b: set data.target"),
    "infinite": (b"a,y\n1,0\ninf,1\n2,1\n", r"infinite values; the first is in line 3"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_refused_with_their_line(tmp_path, case):
    content, message = BAD_TABLES[case]
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as refused:
        table(path=str(path), target="y")
    assert "bad.csv" in str(refused.value)


@pytest.mark.parametrize("load", [npz, table, text, images, series])
def test_what_is_no_file_is_refused_at_once(tmp_path, load):
    (tmp_path / "one").symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(tmp_path / "one")
    os.mkfifo(tmp_path / "pipe.csv")
    more = {table: {"target": "y"}, series: {"values": ["y"]}}.get(load, {})
    for path in (tmp_path / "pipe.csv", tmp_path / "one", tmp_path / "none.csv", "/dev/zero"):
        with pytest.raises(DataError, match=re.escape(str(path))):
            load(path=str(path), **more)
    if load in (npz, table, series):
        with pytest.raises(DataError, match="is a folder"):
            load(path=str(tmp_path), **more)


def test_a_pickle_is_never_opened(tmp_path):
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    np.savez(tmp_path / "a.npz", inputs=np.array([Evil()] * 5, object), targets=np.arange(5))
    with pytest.raises(DataError, match="Python objects"):
        npz(path=str(tmp_path / "a.npz"))
    np.array([Evil()], object).dump(tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"b\.npz is not an \.npz file"):
        npz(path=str(tmp_path / "b.npz"))
    assert not canary.exists()


@pytest.mark.parametrize("shape", [(10**12,), (2**62, 8), (1000, 1000)])
def test_an_archive_is_asked_for_its_size_before_memory_is(tmp_path, shape):
    header = io.BytesIO()
    entry = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, entry)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as archive:
        archive.writestr("inputs.npy", header.getvalue() + bytes(64))
        archive.writestr("targets.npy", header.getvalue() + bytes(64))
    with pytest.raises(DataError, match=r"says that it is .* its file has room for"):
        npz(path=str(tmp_path / "bomb.npz"))


def test_a_zip_bomb_is_refused_by_its_declared_size(tmp_path, monkeypatch):
    monkeypatch.setattr(npz_file, "LARGEST", 10**6)
    np.savez_compressed(tmp_path / "b.npz", inputs=np.zeros((10**6, 2)), targets=np.zeros(10**6))
    assert (tmp_path / "b.npz").stat().st_size < 10**5
    with pytest.raises(DataError, match="at most 1,000,000 are read"):
        npz(path=str(tmp_path / "b.npz"))


@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_holds_what_was_saved(tmp_path, order):
    given = np.asarray(np.random.default_rng(0).normal(size=(30, 4, 2)), order=order)
    np.savez_compressed(tmp_path / "a.npz", a=given, b=np.arange(30) % 3, c=np.arange(30) // 5)
    path = str(tmp_path / "a.npz")
    data = npz(path=path, x="a", y="b", split=RULE, classes=["r", "g", "b"])
    expected = fd.arrays(given, np.arange(30) % 3, split=RULE, classes=["r", "g", "b"])
    assert data.digest == expected.digest
    grouped = npz(path=path, x="a", y="b", group="c", split={"by": "group"})
    assert grouped.units is not None
    with pytest.raises(DataError, match=r"no array 'inputs'; it has a, b, c: set data\.x"):
        npz(path=path)
    np.savez(tmp_path / "nan.npz", inputs=np.array([1.0, np.nan, 2.0]), targets=np.arange(3))
    with pytest.raises(DataError, match=r"nan\.npz: inputs has 1 of 3 values .* index \[1\]"):
        npz(path=str(tmp_path / "nan.npz"))


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "a.csv"
    people().to_csv(path, index=False)
    before = table(path=str(path), target="bought").digest
    people().assign(age=range(60)).to_csv(path, index=False)
    assert table(path=str(path), target="bought").digest != before


def test_pictures_are_those_of_their_files(folder):
    data = images(path="pets", colour="rgb", split=RULE)
    assert data.classes == ("cat", "dog")
    found = {image.tobytes() for part in data[:3] for image in part.inputs}
    for file in Path("pets").rglob("*.png"):
        pixels = np.asarray(Image.open(file), np.float32) / np.float32(255)
        assert pixels.tobytes() in found
    grey = images(path="pets", colour="grey", size=[4, 5], split=RULE)
    assert grey.train.inputs.shape == (12, 4, 5, 1)
    assert 0 <= grey.train.inputs.min() < grey.train.inputs.max() <= 1


def test_other_kinds_of_pictures_become_the_asked_one(tmp_path):
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for i in range(5):
            Image.fromarray(np.full((2, 2), 9 * i, np.uint8)).save(tmp_path / kind / f"{i}.png")
    deep = np.full((2, 2), 51400, np.uint16)  # 200 * 257
    Image.fromarray(deep).save(tmp_path / "a" / "0.png")
    clear = np.full((2, 2, 4), [255, 255, 255, 0], np.uint8)
    Image.fromarray(clear).save(tmp_path / "b" / "0.png")
    data = images(path=str(tmp_path), colour="grey", split={"by": "order", "test": 1})
    every = np.concatenate([part.inputs for part in (data.train, data.validation, data.test)])
    assert every[0].max() == pytest.approx(200 / 255)
    assert every[5].max() == 0  # what is transparent is black


def test_bad_pictures_are_named(folder):
    Image.fromarray(np.zeros((3, 3, 3), np.uint8)).save("pets/dog/99.png")
    with pytest.raises(
        DataError, match=r"99\.png is 3 x 3 pixels, but .*0\.jpg is 9 x 7; give data"
    ):
        images(path="pets")
    Path("pets/dog/99.png").write_bytes(Path("pets/dog/1.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"99\.png cannot be read as a PNG or JPEG picture"):
        images(path="pets")
    Path("pets/dog/99.png").write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"99\.png cannot be read"):
        images(path="pets")
    Path("pets/dog/99.png").unlink()
    Path("pets/dog/notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"notes\.txt is none of \.png, \.jpg, \.jpeg"):
        images(path="pets")
    Path("pets/dog/notes.txt").rename("pets/dog/.hidden")
    assert images(path="pets").classes == ("cat", "dog")
    Path("one/class").mkdir(parents=True)
    with pytest.raises(DataError, match="1 folders inside"):
        images(path="one")


def test_texts_come_from_lines_tables_and_folders(folder):
    pairs = [(f'say {i} "it', "no" if i % 2 else "yes") for i in range(20)]
    Path("a.txt").write_text("".join(f"{label}\t{said}\n" for said, label in pairs))
    frame = pd.DataFrame(pairs, columns=["text", "label"])
    frame.to_csv("a.csv", index=False)
    assert text(path="a.txt").digest == text(path="a.csv").digest
    for i, (said, label) in enumerate(sorted(pairs, key=lambda pair: pair[1])):
        Path("said", label).mkdir(parents=True, exist_ok=True)
        Path("said", label, f"{i:02}.txt").write_text(said)
    by_folder = text(path="said", split={"by": "random"})
    assert sum(len(part.targets) for part in by_folder[:3]) == 20
    Path("said/no/00.txt").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"00\.txt is not UTF-8 at byte 0"):
        text(path="said")
    Path("b.txt").write_text("yes\tgood\nbad without a label\n")
    with pytest.raises(DataError, match=r"b\.txt, line 2: 1 fields"):
        text(path="b.txt")
    frame.assign(label=["", *frame["label"][1:]]).to_csv("c.csv", index=False)
    with pytest.raises(DataError, match="'label' is empty in 1 rows; the first is line 2"):
        text(path="c.csv")
    # Numbers, and words that elsewhere mean nothing is there, are texts as any other.
    words = pd.DataFrame({"text": ["none", "7.0"] * 10, "label": ["a", "b"] * 10})
    words.to_csv("d.csv", index=False)
    assert set(np.unique(text(path="d.csv", length=3).train.inputs)) == {0, 2, 3, 4, 5}


def test_series_windows_are_those_of_a_plain_loop(folder):
    frame = pd.read_csv("prices.csv").sample(frac=1, random_state=0)
    frame.to_csv("mixed.csv", index=False)
    data = make_data(
        {
            "name": "series",
            "path": "mixed.csv",
            "values": ["price"],
            "time": "day",
            "window": 6,
            "horizon": 3,
            "transform": "log_return",
            "details": True,
            "split": {"by": "order", "test": 10, "validation": 10},
        }
    )
    prices = pd.read_csv("prices.csv")["price"].to_numpy()
    returns = np.diff(np.log(prices))
    starts = range(6, len(returns) - 3 + 1)  # of the targets
    cuts = starts[-20], starts[-10]
    scale = returns[: cuts[0]].std()
    expected = {
        "train": [s for s in starts if s + 2 < cuts[0]],
        "validation": [s for s in starts if cuts[0] <= s and s + 2 < cuts[1]],
        "test": [s for s in starts if cuts[1] <= s],
    }
    for name, rows in expected.items():
        part = getattr(data, name)
        inputs = np.array([returns[s - 6 : s] for s in rows]) / scale
        np.testing.assert_allclose(part.inputs[..., 0], inputs, rtol=1e-5, atol=1e-6)
        steps = np.array([returns[s : s + 3] for s in rows]) / scale
        np.testing.assert_allclose(part.targets["steps"], steps, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(part.targets["last"], [prices[s] for s in rows], rtol=1e-6)
        future = np.array([prices[s + 1 : s + 4] for s in rows])
        np.testing.assert_allclose(part.targets["future"], future, rtol=1e-6)
    naive = np.abs(np.diff(prices[: cuts[0] + 1])).mean()
    np.testing.assert_allclose(data.test.targets["naive"], naive, rtol=1e-6)
    assert data.units is not None
    assert data.units.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_later_values_change_nothing_before_them(folder):
    given = {"values": ["price"], "time": "day", "window": 4, "horizon": 2}
    frame = pd.read_csv("prices.csv")
    before = series(path=frame, **given)  # type: ignore[arg-type]
    tests = len(before.test.targets)
    frame.loc[len(frame) - tests :, "price"] *= 50
    after = series(path=frame, **given)  # type: ignore[arg-type]
    assert np.array_equal(before.train.inputs, after.train.inputs)
    assert np.array_equal(before.train.targets, after.train.targets)
    assert np.array_equal(before.validation.inputs, after.validation.inputs)


def test_bad_series_and_ratings_are_refused(folder):
    given = {"name": "series", "path": "bad.csv", "values": ["v"], "time": "t", "window": 2}
    bad = {
        "t,v\n1,1\n2,x\n": r"bad\.csv, line 3, column 'v': 'x' is no number",
        "t,v\n1,1\n2,\n": r"'v' has 1 of 2 values that are missing or not finite; .* line 3",
        "t,v\n1,1\n1,2\n2,3\n": r"line 3: the moment 1\.0 is there twice",
        "t,v\n2024-01-01,1\nsoon,2\n": r"line 3, column 't': 'soon' is no moment",
        "t,v\n1,1\n2,2\n": r"has 2 values; window 2 and horizon 1 need at least 3",
    }
    for content, message in bad.items():
        Path("bad.csv").write_text(content)
        with pytest.raises(DataError, match=message):
            make_data(given)
    with pytest.raises(DataError, match="by: order alone"):
        make_data(
            {**given, "path": "prices.csv", "values": ["price"], "time": "day", "split": RULE}
        )
    Path("bad.csv").write_text("user,item,time\na,1,1\na,2,2\n")
    with pytest.raises(DataError, match="no user has 3 different items"):
        make_data({"name": "ratings", "path": "bad.csv"})
    Path("bad.csv").write_text("user,item,time\na,1,1\na,2,\n")
    with pytest.raises(DataError, match="'time' has 1 of 2 values that are missing"):
        make_data({"name": "ratings", "path": "bad.csv"})


def test_ratings_keep_what_is_liked_in_the_order_of_time(folder):
    Path("r.csv").write_text(
        "user,item,time,stars\n" + "".join(f"u,{i},{-i},{1 + i % 2}\n" for i in range(12))
    )
    data = make_data(
        {"name": "ratings", "path": "r.csv", "rating": "stars", "least": 2, "length": 4}
    )
    names = np.array(data.classes)
    assert names[data.test.inputs["history"]].tolist() == [["9", "7", "5", "3"]]
    assert names[data.test.targets["item"]].tolist() == ["1"]
    assert names[data.train.inputs["history"]].tolist()[0] == ["(padding)"] * 3 + ["11"]
