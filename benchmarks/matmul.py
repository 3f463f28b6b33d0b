"""Large matrix products: how much of the machine's own rate a training step reaches inside funcdl.

An MLP of three layers of 1024 x 1024 at batches of 1024. A step multiplies 8 times: 3 products forward,
3 for the weights' gradients, 2 for the inner gradients; each is 2 * 1024^3 operations. Only these count:
activations, loss, optimizer and drawing the batch are funcdl's overhead here.

The yardstick is NumPy's float32 product of two 1024 x 1024 matrices on as many cores: the better of one
process with a thread per core, and a process of one thread per core. OpenBLAS is left to choose its
kernel (OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset for it), and the script prints which it took.

usage: python benchmarks/matmul.py [sgd] [adam] [--repeats 3] [--set KEY=VALUE ...]
About 1 minute an optimizer and repetition on two idle cores.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
from peer import spread
from rate import steps_per_second

import funcdl as fd

SIDE, LAYERS = 1024, 3
PRODUCTS = 3 * LAYERS - 1
STEPS, RUNS = 16, 10
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

GEMM = """
import json, sys, time
import numpy as np
side = int(sys.argv[1])
a, b = np.random.default_rng(0).standard_normal((2, side, side), dtype=np.float32)
out, products = a @ b, 0
began = time.perf_counter()
while (seconds := time.perf_counter() - began) < 4:
    np.matmul(a, b, out=out)
    products += 1
try:
    from threadpoolctl import threadpool_info
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    kernels = [pool["internal_api"] + " " + pool["architecture"] for pool in blas]
except ImportError:
    kernels = ["unknown kernel: install threadpoolctl"]
print(json.dumps({"rate": 2 * side**3 * products / seconds, "kernels": kernels}))
"""


def numpy_rate(processes: int, threads: int) -> tuple[float, str]:
    """Operations per second of so many processes together, and the kernels they ran."""
    hidden = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", GEMM, str(SIDE)], env=env, stdout=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    found = [json.loads(process.communicate()[0]) for process in started]
    return sum(one["rate"] for one in found), ", ".join(found[0]["kernels"])


def funcdl_rate(optimizer: str, more: Mapping[str, object]) -> float:
    """Operations per second of the products in a study's steps."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((3 * SIDE, SIDE), dtype=np.float32)
    study = fd.Study(
        task="classification",
        data={
            "name": (inputs, rng.integers(0, SIDE, 3 * SIDE, dtype=np.int32)),
            "split": {"by": "random", "test": 64, "validation": 64},
            "classes": tuple(map(str, range(SIDE))),
        },
        model={"name": "mlp", "hidden": [SIDE] * (LAYERS - 1)},
        optimizer={"name": optimizer, "learning_rate": 1e-3},
        train={"steps": STEPS, "batch_size": SIDE, "eval_every": STEPS},
        repeat=RUNS,
        **more,
    )
    return steps_per_second(study, STEPS) * PRODUCTS * 2 * SIDE**3


def main() -> None:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").split("usage: ")[1])
    parser.add_argument("optimizers", nargs="*", default=["sgd", "adam"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--set", nargs="+", default=[])
    args = parser.parse_args()
    pairs = [pair.split("=", 1) for pair in args.set]
    more = {key: int(value) if value.isdigit() else value for key, value in pairs}
    for optimizer in args.optimizers:
        shares, ours, yardsticks, kernel = [], [], [], ""
        for _ in range(args.repeats):
            ours.append(funcdl_rate(optimizer, more))
            together, kernel = numpy_rate(1, CORES)
            apart, _ = numpy_rate(CORES, 1)
            yardsticks.append(max(together, apart))
            shares.append(100 * ours[-1] / yardsticks[-1])
        print(
            f"{optimizer}: {statistics.median(ours) / 1e9:.0f} GFLOP/s in a sweep, "
            f"NumPy ({kernel}) {statistics.median(yardsticks) / 1e9:.0f} on {CORES} cores: "
            f"{spread(shares, 0)} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
