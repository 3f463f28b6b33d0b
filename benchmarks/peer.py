"""How the scripts here start what they compare funcdl with: programs in `peers/`, as users write them.

PyTorch lives in an environment of its own, since nothing in funcdl needs it:

    python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch==2.13.0 numpy
    export FUNCDL_TORCH=/tmp/torch/bin/python

Without that variable the scripts say that they leave PyTorch out.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from funcdl.data.load import make_data

PEERS = Path(__file__).parent / "peers"
TORCH = os.environ.get("FUNCDL_TORCH", "")


def digits_file(folder: Path) -> Path:
    """funcdl's splits of the digits as an `.npz`, so that all train on the same examples."""
    digits = make_data("digits")
    arrays = {}
    for name in ("train", "validation", "test"):
        split = getattr(digits, name)
        arrays |= {f"{name}_x": split.inputs, f"{name}_y": split.targets}
    np.savez(folder / "digits.npz", **arrays)
    return folder / "digits.npz"


def with_torch(peers: Sequence[str]) -> list[str]:
    """The peers that can be started here."""
    if not TORCH:
        print("PyTorch is left out: FUNCDL_TORCH does not name its Python (see benchmarks/peer.py)")
    return [peer for peer in peers if TORCH or not peer.startswith("torch")]


def train(
    peer: str,
    data: Path,
    model: str,
    *,
    steps: int,
    eval_every: int,
    rates: Sequence[float],
    seeds: Sequence[int],
    env: Mapping[str, str] | None = None,
) -> list[dict[str, float]]:
    """Trains every rate with every seed in one process of a peer: "flax", "torch", "torch compiled".

    Returns:
        For each run, in that order: rate, seed, test_accuracy, seconds from its init to its end.
    """
    python = sys.executable if peer == "flax" else TORCH
    script = PEERS / ("flax_digits.py" if peer == "flax" else "torch_digits.py")
    words = [python, str(script), str(data), model, "--steps", str(steps)]
    words += ["--eval-every", str(eval_every), "--rates", *map(str, rates)]
    words += ["--seeds", *map(str, seeds), *(["--compile"] if peer == "torch compiled" else [])]
    done = subprocess.run(
        words, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The median, and between what it lies: `4.1 (3.5 to 5.5)`."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"
