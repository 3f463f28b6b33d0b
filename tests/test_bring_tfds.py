"""Data sets of TensorFlow Datasets, through their real library, written by it in the tests."""

import io
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from funcdl.data.files.text import text
from funcdl.data.files.tfds import tfds
from funcdl.data.load import make_data
from funcdl.errors import DataError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    library = pytest.importorskip("tensorflow_datasets", reason="an extra")

RULE = {"by": "order", "test": 8, "validation": 8}


def example(i: int) -> dict:
    """One example as this file knows it, pixels and all."""
    rng = np.random.default_rng(i)
    return {
        "image": rng.integers(0, 256, (4, 5, 3), dtype=np.uint8),
        "signal": rng.normal(size=6).astype(np.float32),
        "text": f"post {i}",
        "label": i % 2,
        "kept_back": -1 if i == 3 else 0,
        "price": np.float32(i / 7),
        "kind": "ab"[i % 2],
        "ragged": [1.0] * (1 + i % 2),
        "type": i,
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of data sets that the library's own builder has written."""
    features = library.features

    class Leaves(library.core.GeneratorBasedBuilder):
        """Forty examples in one part, twelve in the other."""

        VERSION = library.core.Version("1.0.0")

        def _info(self):
            shape = features.FeaturesDict(
                {
                    "image": features.Image(shape=(4, 5, 3), encoding_format="png"),
                    "signal": features.Tensor(shape=(6,), dtype=np.float32),
                    "text": features.Text(),
                    "label": features.ClassLabel(names=["elm", "oak"]),
                    "kept_back": features.ClassLabel(names=["elm", "oak"]),
                    "price": np.float32,
                    "kind": features.Text(),
                    "ragged": features.Sequence(np.float32),
                    "type": np.int64,
                }
            )
            keys = ("text", "label")
            return library.core.DatasetInfo(builder=self, features=shape, supervised_keys=keys)

        def _split_generators(self, dl_manager):
            del dl_manager
            return {
                "train": self._generate_examples(0, 40),
                "test": self._generate_examples(40, 52),
            }

        def _generate_examples(self, start, stop):
            for i in range(start, stop):
                packed = io.BytesIO()
                Image.fromarray(example(i)["image"]).save(packed, "PNG")
                packed.seek(0)
                yield i, {**example(i), "image": packed}

    folder = tmp_path_factory.mktemp("tfds") / "saved"
    library.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Leaves(data_dir=folder).download_and_prepare(file_format="array_record")
    return folder


@pytest.fixture
def folder(saved, monkeypatch):
    monkeypatch.chdir(saved.parent)
    return saved.parent


def every(data, what="inputs"):
    return np.concatenate([getattr(part, what) for part in data[:3]])


def test_the_documented_example_loads(folder):
    docs = (Path(__file__).parents[1] / "docs/data.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", docs, re.S)
    (spec,) = [block for block in blocks if "name: tfds" in block]
    found = make_data(YAML(typ="safe").load(spec)["data"])
    assert [len(part.targets) for part in found[:3]] == [24, 8, 8]
    assert found.train.inputs.shape == (24, 4, 5, 3)


@pytest.mark.parametrize(
    "where", [{"path": "saved/leaves/1.0.0"}, {"path": "leaves:1.0.0", "folder": "saved"}]
)
def test_what_is_read_is_what_was_written(folder, where):
    """In whichever order the library has stored it: `type` is each example's number."""
    given: dict[str, Any] = {**where, "part": "train+test", "split": RULE}
    numbers = every(tfds(**given, x="signal", y="type"), "targets")
    assert sorted(numbers.tolist()) == list(range(52))
    written = [example(i) for i in numbers]
    pictures = tfds(**given, x="image", y="label")
    assert pictures.classes == ("elm", "oak")
    assert every(pictures, "targets").tolist() == [one["label"] for one in written]
    pixels = np.stack([one["image"] for one in written]) / np.float32(255)
    np.testing.assert_array_equal(every(pictures), pixels)
    signals = tfds(**given, x="signal", y="price")
    np.testing.assert_array_equal(every(signals), [one["signal"] for one in written])
    np.testing.assert_array_equal(every(signals, "targets"), [one["price"] for one in written])
    kinds = tfds(**given, x="signal", y="kind")
    assert [kinds.classes[i] for i in every(kinds, "targets")] == [one["kind"] for one in written]
    # The pair that the data set names itself; texts as `text` has them.
    frame = pd.DataFrame({"text": [one["text"] for one in written]})
    frame["label"] = [["elm", "oak"][one["label"]] for one in written]
    assert tfds(**given).digest == text(path=frame, split=RULE).digest  # type: ignore[arg-type]


def test_parts_are_cut_as_the_library_cuts_them(folder):
    given: dict[str, Any] = {"path": "saved/leaves/1.0.0", "x": "signal", "y": "type"}
    whole = every(tfds(**given, split=RULE), "targets")
    rule = {"by": "order", "test": 2, "validation": 2}
    assert every(tfds(**given, part="train[:9]", split=rule), "targets").tolist() == list(whole[:9])


BAD = {
    "no such part": ({"part": "dev"}, r"no part 'dev'; it has train, test: set data\.part"),
    "no such feature": ({"x": "petal"}, r"no feature 'petal'; it has image, .*: set data\.x"),
    "ragged": ({"x": "ragged"}, r"'ragged' has no one shape"),
    "kept back": ({"y": "kept_back"}, r"1 of 40 labels outside 0\.\.1; the first is -1 in row"),
    "unknown": ({"path": "mnits"}, r"'mnits' is no folder .* knows; there are mnist"),
    "version": (
        {"path": "leaves:2.0.0", "folder": "saved"},
        r"cannot be loaded at version 2\.0\.0, only: 1\.0\.0",
    ),
    "no folder": ({"path": "saved/none/1.0.0"}, r"'saved/none/1\.0\.0' is no folder in"),
    "outer folder": ({"path": "saved"}, r"no dataset_info\.json; saved/leaves/1\.0\.0 has one"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_had_is_said(folder, monkeypatch, case):
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder / "own"))
    arguments, message = BAD[case]
    given: dict[str, Any] = {"path": "saved/leaves/1.0.0", **arguments}
    with pytest.raises(DataError, match=message):
        tfds(**given)


def test_a_name_is_prepared_by_its_own_code_when_it_is_first_used(folder, capfd):
    found = tfds(path="leaves", folder="elsewhere")
    assert capfd.readouterr().out == ""  # what the library says of it goes to stderr
    assert found.digest == tfds(path="saved/leaves/1.0.0").digest
    assert sorted(Path("elsewhere").glob("leaves/1.0.0/*array_record*"))


def test_what_is_prepared_is_said_where_a_name_is_not_known(folder):
    copied(folder, "saved/bark/1.0.0")
    assert tfds(path="bark", folder="saved").classes == ("elm", "oak")
    with pytest.raises(DataError, match=r"'bark:2\.0\.0' is no folder .* are bark/1\.0\.0$"):
        tfds(path="bark:2.0.0", folder="saved")


def copied(folder, to):
    found = folder / to
    found.mkdir(parents=True)
    for file in (folder / "saved/leaves/1.0.0").iterdir():
        (found / file.name).write_bytes(file.read_bytes())
    return found


def test_damage_is_named(folder):
    broken = copied(folder, "broken")
    shard = next(broken.glob("*train*"))
    shard.write_bytes(shard.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"^broken.* could not be loaded by tensorflow_datasets"):
        tfds(path="broken")
    (broken / "features.json").write_text("{")
    with pytest.raises(DataError, match=r"features\.json cannot be read"):
        tfds(path="broken")


def test_what_is_stored_for_tensorflow_says_how_to_prepare_it(folder):
    other = copied(folder, "records")
    info = json.loads((other / "dataset_info.json").read_text())
    (other / "dataset_info.json").write_text(json.dumps({**info, "fileFormat": "tfrecord"}))
    with pytest.raises(DataError, match=r"stored as tfrecord, .*file_format='array_record'"):
        tfds(path="records")


def test_no_module_is_imported_for_a_file(folder, monkeypatch):
    """The library imports the module of any class that a file names."""
    evil = copied(folder, "evil")
    written = json.loads((evil / "features.json").read_text())
    written["featuresDict"]["features"]["text"]["pythonClassName"] = "canary.Text"
    (evil / "features.json").write_text(json.dumps(written))
    Path("canary.py").write_text("open('sung', 'w').close()")
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(DataError, match=r"names the class 'canary\.Text'"):
        tfds(path="evil")
    assert not Path("sung").exists()


def test_without_the_library_its_install_command_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match=r"pip install 'funcdl\[tfds\]'"):
        tfds(path="mnist")


def test_neither_jax_nor_tensorflow_is_imported_and_nothing_is_printed(folder):
    code = (
        "import sys; from funcdl.data.load import make_data; "
        "make_data({'name': 'tfds', 'path': 'saved/leaves/1.0.0', 'x': 'image'}); "
        "sys.exit(', '.join({'jax', 'tensorflow'} & set(sys.modules)) or 0)"
    )
    path = str(Path(__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); {code}"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (found.returncode, found.stdout, found.stderr.strip()) == (0, "", "")
