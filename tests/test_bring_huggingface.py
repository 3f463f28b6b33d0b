"""Data sets of Hugging Face, through their real library, saved on disk by the tests."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from funcdl.data.files.huggingface import huggingface
from funcdl.data.files.text import text
from funcdl.data.load import make_data
from funcdl.errors import DataError

datasets = pytest.importorskip("datasets", reason="needs a newer pyarrow than funcdl does")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    posts = {"text": [f"post {i}" for i in range(40)], "label": [i % 2 for i in range(40)]}
    names = datasets.ClassLabel(names=["bad", "good"])
    named = datasets.Dataset.from_dict(posts).cast_column("label", names)
    datasets.DatasetDict({"train": named, "test": named}).save_to_disk("saved/reviews")
    return tmp_path


def test_the_documented_example_loads(folder):
    docs = (Path(__file__).parents[1] / "docs/data.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", docs, re.S)
    (spec,) = [block for block in blocks if "huggingface" in block]
    found = make_data(YAML(typ="safe").load(spec)["data"])
    assert [len(part.targets) for part in found[:3]] == [24, 8, 8]


def test_hugging_face_texts_pictures_and_arrays(folder):
    data = huggingface(path="saved/reviews", part="train+test", length=4)
    assert data.classes == ("bad", "good")
    assert data.train.inputs.shape == (48, 4)
    words = pd.DataFrame({"text": [f"post {i}" for i in range(40)], "label": ["bad", "good"] * 20})
    one = huggingface(path="saved/reviews", length=4)
    assert np.array_equal(one.train.inputs, text(path=words, length=4).train.inputs)  # type: ignore[arg-type]
    pixels = np.random.default_rng(0).integers(0, 256, (12, 5, 6), dtype=np.uint8)
    columns = {
        "image": [Image.fromarray(one) for one in pixels],
        "signal": pixels[:, 0].astype(np.float32).tolist(),
        "kind": ["a", "b"] * 6,
        "ragged": [[1.0] * (1 + i % 2) for i in range(12)],
    }
    features = {"image": datasets.Image(), "signal": datasets.List(datasets.Value("float32"))}
    features |= {
        "kind": datasets.Value("string"),
        "ragged": datasets.List(datasets.Value("float32")),
    }
    made = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    made.save_to_disk("saved/pictures")
    rule = {"by": "order", "test": 2, "validation": 2}
    data = huggingface(path="saved/pictures", x="image", y="kind", split=rule)
    expected = pixels[:8, ..., None] / np.float32(255)
    np.testing.assert_array_equal(data.train.inputs, expected)
    data = huggingface(path="saved/pictures", x="signal", y="kind", split=rule)
    np.testing.assert_array_equal(data.test.inputs, pixels[10:, 0])
    with pytest.raises(DataError, match="'ragged' has no one shape"):
        huggingface(path="saved/pictures", x="ragged", y="kind")
    with pytest.raises(DataError, match=r"no column 'text'; it has image, .*: set data\.x"):
        huggingface(path="saved/pictures")
    with pytest.raises(DataError, match="no part 'dev'; it has train, test"):
        huggingface(path="saved/reviews", part="dev")
    Path("other").mkdir()
    with pytest.raises(DataError, match="could not be loaded by datasets"):
        huggingface(path="other")
