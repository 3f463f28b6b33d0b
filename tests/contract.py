"""What the battery of `test_models.py` gives each model: a task, 32 examples, and a small size.

A model without a row here is tried as a classifier of 8x8 images, at its default arguments.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from sklearn.datasets import load_digits

import funcdl as fd
from funcdl.config import expand
from funcdl.data.arrays import presplit
from funcdl.data.sequences import leave_last_out
from funcdl.data.windows import Series, windows
from funcdl.models import MODELS
from funcdl.plan.recipe import cut
from funcdl.signatures import parameters
from funcdl.train.assemble import Static
from funcdl.types import Dataset, Split

N = 32


def _same(inputs: Any, targets: Any, classes: Any = None) -> Dataset:
    """The same 32 examples in every split: what is learnt by heart is asked for."""
    return presplit(*[(inputs, targets)] * 3, classes=classes)


@functools.cache
def images() -> Dataset:
    """Digits, `[32, 8, 8, 1]`."""
    digits: Any = load_digits()
    return _same(digits.images[:N, ..., None] / 16, digits.target[:N], 10)


@functools.cache
def ids() -> Dataset:
    """The same digits as ids, `[32, 64]`: which of 64 pixels it is, and which of 17 shades it has."""
    digits: Any = load_digits()
    shown = 17 * np.arange(64) + digits.images[:N].reshape(-1, 64).astype(int)
    return _same(shown, digits.target[:N], 10)._replace(ids={"tokens": 64 * 17})


@functools.cache
def columns() -> Dataset:
    """Two numbers that have nothing to do with the six of their row, `[32, 6]`."""
    rng = np.random.default_rng(0)
    return _same(rng.normal(size=(N, 6)), rng.normal(size=(N, 2)))


@functools.cache
def series() -> Dataset:
    """Two steps after eight steps of noise, `[32, 8, 1]`."""
    noise = np.random.default_rng(0).normal(size=80)
    made = windows(
        [Series("noise", np.arange(80), noise)],
        window=8,
        horizon=2,
        transform="none",
        details=True,
        split={"by": "order", "test": 0.2, "validation": 0.2},
    )
    few: Any = jax.tree.map(lambda x: x[:N], made.train)
    return _same(*few)


@functools.cache
def zeros() -> Dataset:
    """32 zeros to learn; to judge, 32 digits of all kinds, of which a zero is what is normal."""
    digits: Any = load_digits()
    pixels, strange = digits.images[..., None] / 16, (digits.target != 0).astype(int)
    train, mixed = np.flatnonzero(strange == 0)[:N], np.arange(100, 100 + N)
    judged = (pixels[mixed], strange[mixed])
    return presplit((pixels[train], strange[train]), judged, judged, classes=["zero", "other"])


@functools.cache
def choices() -> Dataset:
    """What 32 people chose of 24 things in an order that is pure chance; one of them is to be learnt."""
    rng = np.random.default_rng(0)
    chosen = np.concatenate([rng.permutation(24)[:6] for _ in range(N)])
    who, when = np.repeat(np.arange(N), 6), np.tile(np.arange(6), N)
    return leave_last_out(who, chosen, when, length=3, recent=1)


class Case(NamedTuple):
    """What suits a model.

    model: its arguments, small so that it compiles fast.
    rate: at which Adam learns the 32 examples by heart in 200 steps.
    task: what is learnt.
    data: makes the 32 examples.
    reads: shapes of an example that it takes, beside those of the data.
    refuses: whether it says no to a vector of 7 numbers, `[7]`.
    together: whether in training examples see the others of their batch, as batch norm has it.
    draws: whether training draws numbers where there is no dropout.
    """

    model: Mapping[str, Any] = {}
    rate: float = 0.01
    task: str = "classification"
    data: Callable[[], Dataset] = images
    reads: tuple[tuple[int, ...], ...] = ()
    refuses: bool = False
    together: bool = False
    draws: bool = False


_IMAGE, _VECTOR, _SEQUENCE = (9, 6, 3), (7,), (5, 3)
_ANY = (_IMAGE, _VECTOR, _SEQUENCE)
_ATTENTION = {"depth": 1, "heads": 2, "expansion": 2}


def _of_images(model: Mapping[str, Any], rate: float, *more: tuple[int, ...], **also: Any) -> Case:
    return Case(model, rate, reads=(_IMAGE, *more), refuses=_VECTOR not in more, **also)


def _of_ids(model: Mapping[str, Any]) -> Case:
    return Case(model, 0.03, data=ids, reads=((5,), (2,)), refuses=True)


def _of_columns(model: Mapping[str, Any], rate: float, **also: Any) -> Case:
    return Case(model, rate, "regression", columns, _ANY, **also)


def _of_series(model: Mapping[str, Any], rate: float) -> Case:
    return Case(model, rate, "forecasting", series, (_IMAGE, _SEQUENCE), refuses=True)


def _score(model: Mapping[str, Any], **also: Any) -> Case:
    return Case({"hidden": [32], "bottleneck": 8, **model}, 0.003, "anomaly", zeros, _ANY, **also)


def _recommender(model: Mapping[str, Any]) -> Case:
    return Case({"negatives": 12, **model}, 0.05, "recommendation", choices, draws=True)


CASES: dict[str, Case] = {
    "logistic": _of_images({}, 0.1, _VECTOR, _SEQUENCE),
    "mlp": _of_images({"hidden": [32]}, 0.03, _VECTOR, _SEQUENCE),
    "residual_mlp": _of_columns({"width": 16, "depth": 1}, 0.03, together=True),
    "ft_transformer": _of_columns({"width": 8, **_ATTENTION}, 0.03),
    "cnn": _of_images({"channels": [8, 16]}, 0.03),
    "resnet": _of_images({"channels": [4, 8]}, 0.03, together=True),
    "lstm": _of_images({"hidden": [16]}, 0.03, _SEQUENCE),
    "gru": _of_images({"hidden": [16]}, 0.03, _SEQUENCE),
    "transformer": _of_images({"width": 16, **_ATTENTION}, 0.01, _SEQUENCE),
    "vit": _of_images({"patch": 4, "width": 16, **_ATTENTION}, 0.01),
    "bag_of_embeddings": _of_ids({"embedding": 8, "hidden": [8]}),
    "text_cnn": _of_ids({"embedding": 8, "filters": 8, "widths": [2, 3]}),
    "autoencoder": _score({"noise": 0.2}, draws=True),
    "vae": _score({"beta": 0.01}, draws=True),
    "deep_svdd": _score({}),
    "matrix_factorisation": _recommender({"width": 8}),
    "ncf": _recommender({"width": 8, "hidden": [8]}),
    "two_tower": _recommender({"width": 8, "hidden": [8]}),
    "sasrec": _recommender({"width": 8, "depth": 1, "heads": 2}),
    "nbeats": _of_series({"blocks": 2, "layers": 1, "width": 16}, 0.03),
    "tcn": _of_series({"channels": [8, 8], "kernel": 2}, 0.03),
    "patch_transformer": _of_series({"patch": 3, "stride": 2, "width": 16, **_ATTENTION}, 0.01),
}


def case_of(name: str) -> Case:
    return CASES.get(name, Case())


def has_dropout(name: str) -> bool:
    return "dropout" in parameters(MODELS[name])


def prepared(name: str) -> tuple[Static, dict[str, Any]]:
    """What decides the model's program, and the numbers that are traced, a rate of dropout among them.

    Through the config, so that what it refuses is refused here. Dropout is a number that is not 0, which
    would leave it out of the program; what it is follows when the program is called.
    """
    case, rate = case_of(name), {"dropout": 0.5} if has_dropout(name) else {}
    study = fd.Study(
        task=case.task,
        data={"name": case.data()},
        model={"name": name, **case.model, **rate},
        optimizer={"name": "adam", "learning_rate": case.rate},
        train={"steps": 200, "batch_size": N, "schedule": "constant"},
    )
    (method,) = expand(study).methods
    static, hyper = cut(method.recipe)
    return static, {key: np.float32(value) for key, value in hyper.items()}


def mixed(one: Split, other: Split) -> Split:
    """The first example of one batch among those of another."""
    return jax.tree.map(lambda a, b: np.concatenate([a[:1], b[1:]]), one, other)
