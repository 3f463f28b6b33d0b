"""Steps per second inside a sweep, model by model, against loops written by hand on the same cores.

Adam at batches of 64 on the digits, in float32, the validation split looked at four times a run. The
peers are `peers/flax_digits.py`, one `jax.jit` step with donated buffers in a Python loop, and
`peers/torch_digits.py`, eager and through `torch.compile`. Each has both cores; of two runs in one
process the second is timed, so that nothing is compiled in it. The models are the same (equal widths,
depths and numbers of layers), each in the words of its library: Flax's own convolution, cells and
attention, PyTorch's own layers.

funcdl's rate is that of the whole engine: finished runs per second of wall time.

usage: python benchmarks/throughput.py [mlp] [cnn] [lstm] [gru] [transformer] [--repeats 3]
       [--peers NAME ...] [--set KEY=VALUE ...]
About 1 minute a model and repetition on two idle cores. `--set` gives further keys of the study, such as
mode=vmap width=8.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path

from peer import digits_file, spread, train, with_torch
from rate import steps_per_second

import funcdl as fd

RATE = 1e-3
PEERS = ("flax", "torch", "torch compiled")
MODELS = {  # what it is in funcdl, steps of a run, runs of a study
    "mlp": ({"name": "mlp", "hidden": [64, 64]}, 4000, 60),
    "cnn": ({"name": "cnn", "channels": [16, 32]}, 800, 40),
    "lstm": ({"name": "lstm", "hidden": [64]}, 800, 40),
    "gru": ({"name": "gru", "hidden": [64]}, 800, 40),
    "transformer": ({"name": "transformer", "width": 64, "depth": 2, "heads": 4}, 200, 24),
}


def in_a_sweep(name: str, more: Mapping[str, object]) -> float:
    model, steps, runs = MODELS[name]
    study = fd.Study(
        task="classification",
        data="digits",
        model=model,
        optimizer={"name": "adam", "learning_rate": RATE},
        train={"steps": steps, "batch_size": 64, "eval_every": steps // 4},
        repeat=runs,
        **more,
    )
    return steps_per_second(study, steps)


def by_hand(peer: str, name: str, data: Path) -> float:
    steps = MODELS[name][1]
    again = train(peer, data, name, steps=steps, eval_every=steps // 4, rates=[RATE], seeds=[0, 1])[
        1
    ]
    return steps / again["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("usage: ")[1])
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--set", nargs="+", default=[])
    args = parser.parse_args()
    pairs = [pair.split("=", 1) for pair in args.set]
    more = {key: int(value) if value.isdigit() else value for key, value in pairs}
    peers = with_torch(args.peers or PEERS)
    with tempfile.TemporaryDirectory() as folder:
        data = digits_file(Path(folder))
        for name in args.models:
            rates: dict[str, list[float]] = {peer: [] for peer in peers}
            ours: list[float] = []
            for _ in range(args.repeats):
                ours.append(in_a_sweep(name, more))
                for peer in peers:
                    rates[peer].append(by_hand(peer, name, data))
            print(f"{name}: in a sweep {statistics.median(ours):,.0f} steps/s")
            for peer in peers:
                ratios = [own / other for own, other in zip(ours, rates[peer], strict=True)]
                median = statistics.median(rates[peer])
                print(f"  {peer}: {median:,.0f} steps/s; funcdl {spread(ratios)} times", flush=True)


if __name__ == "__main__":
    main()
