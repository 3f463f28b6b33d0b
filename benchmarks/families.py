"""Every family of the six tables inside a sweep, against loops written by hand on the same cores.

Data, batch sizes and widths are those of `configs/tables`, the optimizer is AdamW at a constant rate of
.001, and there are no augmentations, dropout and clipping. The peers are `peers/flax_families.py`, one
`jax.jit` step with donated buffers in a Python loop, and `peers/torch_families.py`, eager; both in the
words of their library, and each with all cores. Of two runs in one process the second is timed.

funcdl's rate is that of the whole engine, a look at the validation split and the test split at the end of
each run included; peers only train. `cpu` is processor time per step: of funcdl's workers, which have a
thread each, and of all threads of a peer. It hardly depends on what else the machine does; steps per
second do. That all do the same work is seen from the number of parameters (PyTorch's recurrent layers have
a second bias) and from the mean training loss over a run.

usage: python benchmarks/families.py [NAME ...] [--repeats 1] [--peers NAME ...]
NAME is a family such as images/cnn, or the data of several: images, reviews, shuttle, stocks, phishing,
movielens. About half a minute a family and repetition on two idle cores.

If funcdl's step takes u seconds of one core and a peer's v of both, two workers make 2 / u steps per second,
and the peer at most 2 / v: `cpu / funcdl's` is the least by which funcdl is faster on an idle machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from peer import PEERS, TORCH, spread, with_torch
from rate import Rate, rate

import funcdl as fd
from funcdl.data.load import make_data

LEVELS = [0.1, 0.5, 0.9]
RUNS = 8  # of a study


class Table(NamedTuple):
    """What the families of a table share; `data` names the arguments of its data set, too."""

    task: Any
    data: dict[str, Any]
    batch: int


class Measured(NamedTuple):
    """One reading; `cpu` in seconds per step, `loss` a mean over runs and steps."""

    steps_per_second: float
    cpu: float
    parameters: int
    loss: float


ORIGINS = {"by": "order", "test": 0.02, "validation": 0.1, "origins": 11}
TABLES = {
    "images": Table(
        "classification",
        {"name": "mnist_5k", "split": {"by": "stratified", "test": 0.2, "validation": 0.1}},
        32,
    ),
    "reviews": Table("classification", {"name": "reviews", "length": 96}, 64),
    "shuttle": Table("anomaly", {"name": "shuttle"}, 64),
    "stocks": Table(
        {"name": "forecasting", "loss": "pinball", "quantiles": LEVELS},
        {
            "name": "stocks",
            "tickers": ["AAPL", "IBM", "MSFT"],
            "window": 32,
            "details": True,
            "split": ORIGINS,
        },
        128,
    ),
    "phishing": Table("classification", {"name": "phishing"}, 64),
    "movielens": Table("recommendation", {"name": "movielens", "length": 20}, 256),
}
FAMILIES: dict[str, tuple[dict[str, Any], int]] = {  # the model's arguments, steps of a run
    "images/cnn": ({"channels": [16, 32, 64]}, 250),
    "images/resnet": ({"channels": [16, 32], "stride": 2}, 250),
    "images/vit": ({"patch": 7, "width": 64, "depth": 2}, 250),
    "images/gru": ({"hidden": [96]}, 400),
    "reviews/bag_of_embeddings": ({"embedding": 32}, 2500),
    "reviews/text_cnn": ({"embedding": 32, "filters": 32}, 150),
    "reviews/gru": ({"embedding": 32, "hidden": [32], "readout": "mean"}, 200),
    "reviews/lstm": ({"embedding": 32, "hidden": [32], "readout": "mean"}, 200),
    "reviews/transformer": ({"width": 32, "depth": 1, "heads": 2, "expansion": 2}, 75),
    "shuttle/autoencoder": ({"hidden": [64], "bottleneck": 8}, 10000),
    "shuttle/vae": ({"hidden": [64], "bottleneck": 8}, 10000),
    "shuttle/deep_svdd": ({"hidden": [64], "bottleneck": 32}, 40000),
    "stocks/mlp": ({}, 20000),
    "stocks/nbeats": ({}, 5000),
    "stocks/gru": ({"hidden": [32]}, 500),
    "stocks/tcn": ({}, 400),
    "stocks/patch_transformer": ({}, 300),
    "phishing/mlp": ({"hidden": [64, 64]}, 40000),
    "phishing/residual_mlp": ({}, 8000),
    "phishing/ft_transformer": ({"expansion": 1}, 800),
    "movielens/matrix_factorisation": ({}, 500),
    "movielens/ncf": ({}, 200),
    "movielens/two_tower": ({}, 300),
    "movielens/sasrec": ({"width": 32, "depth": 1}, 250),
}


def in_a_sweep(name: str) -> Measured:
    """What funcdl does."""
    (table, model), (arguments, steps) = name.split("/"), FAMILIES[name]
    task, data, batch = TABLES[table]
    study = fd.Study(
        task=task,
        data=data,
        model={"name": model, **arguments},
        optimizer={"name": "adamw", "learning_rate": 1e-3},
        train={"steps": steps, "batch_size": batch, "eval_every": steps},
        repeat=RUNS,
    )
    found: Rate = rate(study, steps)
    parameters, losses = found.runs["parameters"], found.runs["train/loss"]
    own = found.steps_per_second, found.cpu, int(parameters.iloc[0]), float(losses.mean())
    return Measured(*own)


def by_hand(peer: str, name: str, data: Path) -> Measured:
    python, script = (TORCH, "torch") if peer == "torch" else (sys.executable, "flax")
    words = [python, str(PEERS / f"{script}_families.py"), str(data), name]
    words += ["--steps", str(FAMILIES[name][1]), "--batch", str(TABLES[name.split("/")[0]].batch)]
    done = subprocess.run(
        words, check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    return Measured(**json.loads(done.stdout))


def data_file(table: str, folder: Path) -> Path:
    """funcdl's training examples as an `.npz`, so that all train on the same."""
    path = folder / f"{table}.npz"
    if path.exists():
        return path
    dataset = make_data(TABLES[table].data)
    inputs, targets = dataset.train.inputs, dataset.train.targets
    if isinstance(targets, dict):
        targets = targets["item"] if "item" in targets else targets["steps"][:, 0]
    arrays: dict[str, Any] = dict(inputs) if isinstance(inputs, dict) else {"x": inputs}
    if table != "shuttle":  # whose labels are not read
        arrays["y"] = targets
    counts = {"tokens": 0, "users": 0, **dataset.ids, "items": len(dataset.classes)}
    arrays |= {name: np.int32(counts[name]) for name in ("tokens", "items", "users")}
    np.savez(path, **arrays)
    return path


def chosen(names: list[str]) -> list[str]:
    """The families of these names, or of these tables; all if there are none."""
    wrong = [n for n in names if n not in FAMILIES and n not in TABLES]
    if wrong:
        raise SystemExit(
            f"unknown: {', '.join(wrong)}; allowed are {', '.join([*TABLES, *FAMILIES])}"
        )
    return [n for n in FAMILIES if not names or n in names or n.split("/")[0] in names]


def show(name: str, who: str, readings: list[Measured], own: list[Measured]) -> None:
    """A row of the table."""
    fast = statistics.median(r.steps_per_second for r in readings)
    cpu = statistics.median(r.cpu for r in readings) * 1e6
    ratios = [a.steps_per_second / b.steps_per_second for a, b in zip(own, readings, strict=True)]
    busy = statistics.median(b.cpu / a.cpu for a, b in zip(own, readings, strict=True))
    print(
        f"| {name} | {who} | {readings[0].parameters:,} | {readings[0].loss:.4g} | {fast:,.0f} | "
        f"{cpu:,.0f} | {spread(ratios)} | {busy:.2f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("usage: ")[1])
    parser.add_argument("families", nargs="*")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--peers", nargs="*", choices=("flax", "torch"), default=["flax", "torch"])
    args = parser.parse_args()
    names, peers = chosen(args.families), with_torch(args.peers)
    print(
        "| family | of | parameters | loss | steps/s | cpu us | funcdl is faster | cpu / funcdl's |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            data = data_file(name.split("/")[0], Path(folder))
            own: list[Measured] = []
            others: dict[str, list[Measured]] = {peer: [] for peer in peers}
            for _ in range(args.repeats):
                own.append(in_a_sweep(name))
                for peer in peers:
                    others[peer].append(by_hand(peer, name, data))
            show(name, "funcdl", own, own)
            for peer in peers:
                show(name, peer, others[peer], own)


if __name__ == "__main__":
    main()
