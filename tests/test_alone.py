"""A run inside a study is the run alone, bit for bit: each family of models, five optimizers."""

from pathlib import Path

import pytest

import funcdl as fd
from tests.study_tools import bits

FAMILIES = {
    "logistic": "logistic",
    "mlp": {"name": "mlp", "hidden": [16], "dropout": 0.1},
    "cnn": {"name": "cnn", "channels": [4]},
    "resnet": {"name": "resnet", "channels": [4]},
    "lstm": {"name": "lstm", "hidden": [8]},
    "gru": {"name": "gru", "hidden": [8]},
    "transformer": {"name": "transformer", "width": 16, "depth": 1, "heads": 2, "dropout": 0.1},
}
OPTIMIZERS = {
    "sgd": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    "adamw": {"name": "adamw", "learning_rate": 0.01},
    "lion": {"name": "lion", "learning_rate": 0.001},
    "rmsprop": {"name": "rmsprop", "learning_rate": 0.01},
    "schedule_free_adamw": {"name": "schedule_free_adamw", "learning_rate": 0.01},
}
PAIRS = [(f, o) for f in FAMILIES for o in OPTIMIZERS]
# In a plain run every family and every optimizer once.
FEW = [(f, list(OPTIMIZERS)[i % len(OPTIMIZERS)]) for i, f in enumerate(FAMILIES)]


def study(pairs: list[tuple[str, str]]) -> fd.Study:
    return fd.Study(
        task="classification",
        data="digits",
        train={"steps": 12, "batch_size": 16, "eval_every": 6, "schedule": "constant"},
        compare={
            "approach": {
                f"{family} {rule}": {"model": FAMILIES[family], "optimizer": OPTIMIZERS[rule]}
                for family, rule in pairs
            }
        },
        repeat=2,
    )


def compare(pairs: list[tuple[str, str]], tmp_path: Path) -> None:
    together = fd.run(study(pairs), out=tmp_path / "all", workers=2, observe=lambda status: None)
    runs = bits(together.runs)
    assert set(runs["status"]) == {"ok"}
    assert runs["digest"].nunique() == 2 * len(pairs)
    for i, pair in enumerate(pairs):
        out = tmp_path / str(i)
        alone = bits(fd.run(study([pair]), out=out, workers=0, observe=lambda status: None).runs)
        inside = runs[runs["method"] == " ".join(pair)].reset_index(drop=True)
        assert inside.equals(alone[inside.columns]), pair


def test_a_run_in_a_study_is_the_run_alone(tmp_path: Path):
    compare(FEW, tmp_path)


@pytest.mark.slow
def test_every_family_with_every_optimizer(tmp_path: Path):
    compare(PAIRS, tmp_path)
