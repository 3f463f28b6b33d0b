"""Training data that stay in a file on the host, against the same data on the device.

Both train the same model on the same batches, with the same bits; the two take turns. The streamed
one reads and converts each batch from a memory-mapped file while it trains on the ones before.

usage: PJRT_NPROC=1 python benchmarks/stream.py [REPEATS]
"""

import os

os.environ.setdefault("PJRT_NPROC", "1")  # as in a worker

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from funcdl.config import Study, expand
from funcdl.data.arrays import arrays
from funcdl.execute.feed import to_device
from funcdl.execute.messages import Job
from funcdl.execute.programs import compile_program
from funcdl.execute.runner import run_job
from funcdl.plan.recipe import cut
from funcdl.train.streams import STREAMS

EXAMPLES, SIDE, BATCH = 100_000, 28, 64  # 78 MB of bytes in the file, 314 MB of float32
MODELS = (
    ({"name": "logistic"}, 6000),
    ({"name": "mlp", "hidden": [64, 64]}, 4000),
    ({"name": "cnn", "channels": [8, 16]}, 300),
)


def images(folder: Path) -> Path:
    """Random images in a file."""
    rng = np.random.default_rng(0)
    path = folder / "images.npy"
    np.save(path, rng.integers(0, 256, (EXAMPLES, SIDE, SIDE, 1), dtype=np.uint8))
    return path


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        inputs = np.load(images(Path(folder)), mmap_mode="r")
        labels = np.random.default_rng(1).integers(0, 10, EXAMPLES)
        data = arrays(inputs, labels, split={"test": 1000, "validation": 1000})
        for model, steps in MODELS:
            train = {"steps": steps, "batch_size": BATCH, "eval_every": steps}
            study = Study(
                task="classification",
                data="digits",
                model=model,
                optimizer={"name": "adam", "learning_rate": 1e-3},
                train=train,
            )
            static, hyper = cut(expand(study).methods[0].recipe)
            places = {s: to_device(data.train, s, batch_size=BATCH) for s in ("never", "always")}
            programs = {s: compile_program(static, data, p, hyper)[0] for s, p in places.items()}
            streams: dict[str, int] = dict.fromkeys(STREAMS, 0)
            job = Job(
                *("run", "program", static, hyper, data.digest, 0, "measure", streams),
                *(steps, steps, False),
                select=("validation/loss", "min", "final"),
            )
            wall, cpu, digests = {s: [] for s in places}, {s: [] for s in places}, set()
            for _ in range(repeats):
                for s, place in places.items():
                    began, used = time.perf_counter(), time.process_time()
                    digests.add(run_job(job, programs[s], data, place).digest)
                    wall[s].append(steps / (time.perf_counter() - began))
                    cpu[s].append(1e6 * (time.process_time() - used) / steps)
            assert len(digests) == 1, "the bits differ"
            ratio = statistics.median(
                a / b for a, b in zip(wall["always"], wall["never"], strict=True)
            )
            print(
                f"{model['name']}: {statistics.median(wall['always']):.0f} steps/s streamed, "
                f"{statistics.median(wall['never']):.0f} on the device, ratio {ratio:.2f}; "
                f"CPU per step {statistics.median(cpu['always']):.0f} and "
                f"{statistics.median(cpu['never']):.0f} microseconds"
            )


if __name__ == "__main__":
    main()
