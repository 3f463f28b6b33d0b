"""A whole sweep, from the command to the last number: funcdl against what people use today.

`sweep.yaml`: 8 learning rates x 8 seeds of a small model on the digits; Adam, batches of 64, 500 steps
in float32, the validation split looked at every 100 steps and the test split at the end. Everything
counts: starting, importing, compiling with an empty cache, training, looking; for funcdl also its
store and its report. The peers do the same runs on the same splits:

    processes       one process per run of `peers/flax_digits.py`, two at a time, as the launchers of
                    Hydra and Weights & Biases do it
    with a cache    the same with JAX's compilation cache, filled by one run that is not counted
    loop            the same script's loop in one process, which compiles once
    torch           `peers/torch_digits.py` in one process: eager, two threads
    torch compiled  the same with `torch.compile`, its cache empty

Ratios are taken within a repetition, of wall time and of processor time (the latter means something
on a machine that others use, too). With `--sample N` the processes do only N of the runs, spread
evenly, and their time is scaled. The script ends with an error if a peer and funcdl do not come equally
far: if their mean test accuracies differ by more than 2 percentage points / sqrt(seeds), some three
standard errors.

usage: python benchmarks/sweep.py [mlp] [cnn] [--seeds 8] [--repeats 3] [--sample N] [--peers NAME ...]
An idle machine of two cores needs about 5 minutes a model and repetition; 1,000 runs: --seeds 125
--sample 16 --peers processes.
"""

import argparse
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from peer import digits_file, spread, train, with_torch

import funcdl as fd

T = TypeVar("T")
CONFIG = Path(__file__).parent / "sweep.yaml"
RATES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2)
STEPS, EVAL_EVERY, AT_ONCE = 500, 100, 2
PROCESSES = ("processes", "with a cache")
IN_ONE = {"loop": "flax", "torch": "torch", "torch compiled": "torch compiled"}
SAME = 0.02  # how far mean test accuracies of the same work may differ with one seed per rate


class Outcome(NamedTuple):
    """For the whole sweep: seconds, seconds of processor time, and its runs' mean test accuracy."""

    seconds: float
    busy: float
    accuracy: float


def timed(work: Callable[[], T]) -> tuple[float, float, T]:
    """Wall seconds, processor seconds of all processes that it starts, and what it returns."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    found = work()
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, busy, found


def with_funcdl(model: str, seeds: int, folder: Path) -> Outcome:
    """The command a person types, with nothing compiled before."""
    words = [sys.executable, "-m", "funcdl", "run", str(CONFIG), f"model={model}"]
    words += [f"repeat={seeds}", "--out", str(folder / "study")]
    env = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "xla")}
    seconds, busy, _ = timed(
        lambda: subprocess.run(words, check=True, capture_output=True, env=env)
    )
    runs = fd.load(folder / "study").runs
    assert len(runs) == len(RATES) * seeds
    assert set(map(float, runs["method"])) == set(RATES)
    assert set(runs["status"]) == {"ok"}
    return Outcome(seconds, busy, runs["test/accuracy"].mean())


def one_process_each(
    model: str, seeds: int, folder: Path, data: Path, sample: int | None, *, cached: bool
) -> Outcome:
    """Two at a time; each imports, compiles and trains for itself."""
    env = {}
    if cached:
        env = {
            "JAX_COMPILATION_CACHE_DIR": str(folder / "xla"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }

    def one(rate: float, seed: int) -> float:
        once = {"steps": STEPS, "eval_every": EVAL_EVERY, "env": env}
        return train("flax", data, model, rates=[rate], seeds=[seed], **once)[0]["test_accuracy"]

    if cached:
        one(RATES[0], 0)
    runs = list(itertools.product(RATES, range(seeds)))
    chosen = [runs[i * len(runs) // sample] for i in range(sample)] if sample else runs
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seconds, busy, found = timed(lambda: list(pool.map(lambda run: one(*run), chosen)))
    scale = len(runs) / len(chosen)
    return Outcome(seconds * scale, busy * scale, statistics.mean(found))


def in_one_process(peer: str, model: str, seeds: int, folder: Path, data: Path) -> Outcome:
    """All runs one after another."""
    env = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
    once = {"steps": STEPS, "eval_every": EVAL_EVERY, "env": env}
    seconds, busy, runs = timed(
        lambda: train(peer, data, model, rates=RATES, seeds=range(seeds), **once)
    )
    return Outcome(seconds, busy, statistics.mean(run["test_accuracy"] for run in runs))


def measure(name: str, model: str, args: argparse.Namespace, data: Path) -> Outcome:
    """One sweep, in a fresh folder: no repetition finds what another has compiled."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        if name == "funcdl":
            return with_funcdl(model, args.seeds, here)
        if name in IN_ONE:
            return in_one_process(IN_ONE[name], model, args.seeds, here, data)
        cached = name == "with a cache"
        return one_process_each(model, args.seeds, here, data, args.sample, cached=cached)


def say(model: str, args: argparse.Namespace, taken: dict[str, list[Outcome]]) -> None:
    """One line per peer; an error if it did other work."""
    ours = taken["funcdl"]
    goal = statistics.mean(o.accuracy for o in ours)
    print(f"{model}, {len(RATES) * args.seeds} runs, {args.repeats} repetitions")
    for name, outcomes in taken.items():
        pairs = list(zip(outcomes, ours, strict=True))
        ratios = [theirs.seconds / own.seconds for theirs, own in pairs]
        busy = [theirs.busy / own.busy for theirs, own in pairs]
        accuracy = statistics.mean(o.accuracy for o in outcomes)
        scaled = f" [scaled from {args.sample} runs]" if args.sample and name in PROCESSES else ""
        print(
            f"  {name}: {spread([o.seconds for o in outcomes])} s, "
            f"{spread(ratios)} times funcdl's; of processor time {spread(busy)} times; "
            f"mean test accuracy {accuracy:.4f}{scaled}"
        )
        sampled = args.sample if name in PROCESSES and args.sample else len(RATES) * args.seeds
        if abs(accuracy - goal) > SAME / (sampled / len(RATES)) ** 0.5:
            raise SystemExit(f"{name} did other work: {accuracy:.4f} where funcdl has {goal:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("usage: ")[1])
    parser.add_argument("models", nargs="*", default=["mlp", "cnn"])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--peers", nargs="+", choices=(*PROCESSES, *IN_ONE))
    args = parser.parse_args()
    peers = with_torch(args.peers or (*PROCESSES, *IN_ONE))
    with tempfile.TemporaryDirectory() as folder:
        data = digits_file(Path(folder))
        for model in args.models:
            taken: dict[str, list[Outcome]] = {name: [] for name in ("funcdl", *peers)}
            for _ in range(args.repeats):
                for name, outcomes in taken.items():
                    outcomes.append(measure(name, model, args, data))
                    print(f"{model}, {name}: {outcomes[-1].seconds:.1f} s", file=sys.stderr)
            say(model, args, taken)


if __name__ == "__main__":
    main()
