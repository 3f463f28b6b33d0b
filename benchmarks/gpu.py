"""1,024 runs of a small CNN in the lanes of one program, against the same runs one after another.

    python benchmarks/gpu.py [LANES]        on a machine with a GPU; about five minutes

Measures, on digits, batch 64, AdamW, float32, without compilation and without evaluations:

- lanes: all runs at once, in `vmap` mode with that many lanes (1,024);
- each: runs one after another on the same GPU, as `mode: each` does them (three are timed);
- PyTorch: a hand-written eager loop on the same GPU, and one under a CUDA graph, the fastest way that
  its users have for a network so small (three runs are timed), where PyTorch is installed.

Prints steps per second over all runs, the ratios, and the share of the GPU's peak that the lanes
reach by XLA's count of operations.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import jax
import numpy as np

import funcdl as fd
from funcdl.execute.programs import as_scalars, compile_program, stacked
from funcdl.plan.mode import Mode
from funcdl.plan.study import make_plan
from funcdl.train.lanes import lane_mesh, placed
from funcdl.train.streams import stream_keys

STEPS, BATCH, REPEATS = 500, 64, 3
PEAKS = {"H100": (66.9e12, 494.7e12), "H200": (66.9e12, 494.7e12), "A100": (19.5e12, 156e12)}
"""Operations per second in float32, and in TF32 on tensor cores (dense), by the makers' data sheets."""


def trial_of() -> tuple[Any, Any]:
    study = fd.Study(
        task="classification",
        data="digits",
        model={"name": "cnn", "channels": [16, 32]},
        optimizer={"name": "adamw", "learning_rate": 1e-3},
        train={"steps": STEPS, "batch_size": BATCH},
    )
    plan = make_plan(study, fd.config.expand(study))
    trial = plan.trials[0][0]
    return trial, plan.datasets[trial.data]


def steps_per_second(lanes: int) -> tuple[float, float]:
    """Of all lanes together, after compilation; and the seconds that compiling took."""
    trial, dataset = trial_of()
    mode = Mode("vmap", lanes) if lanes else Mode()
    mesh = lane_mesh(jax.local_devices()) if lanes else None
    on_device = placed(dataset.train, mesh, lanes=False)
    program, compiling = compile_program(trial.static, dataset, on_device, trial.hyper, mode)
    rates = []
    for repeat in range(REPEATS):
        if lanes:
            keys = stacked([stream_keys(0, "measure", i) for i in range(program.lanes)], mesh)
            rate = np.geomspace(1e-4, 1e-2, program.lanes)
            key = "optimizer.learning_rate"
            hyper = stacked([as_scalars({**trial.hyper, key: float(r)}) for r in rate], mesh)
            stop = np.full(program.lanes, STEPS, np.int32)
        else:
            keys, hyper = stream_keys(0, "measure", repeat), as_scalars(trial.hyper)
            stop = np.int32(STEPS)
        state = program.init(keys, hyper, on_device)
        jax.block_until_ready(state)
        began = time.perf_counter()
        state = program.chunk(state, keys, hyper, on_device, stop)
        assert int(np.asarray(state.step).reshape(-1)[-1]) == STEPS
        rates.append(STEPS * max(1, program.lanes) / (time.perf_counter() - began))
    return statistics.median(rates), compiling


def flops_per_step() -> float:
    """Operations of one step of one run: XLA's own count of its program for a CPU, where it sees all."""
    from funcdl.train.assemble import assemble

    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        trial, dataset = trial_of()
        train, hyper = assemble(trial.static, dataset), as_scalars(trial.hyper)
        keys = stream_keys(0, "tune", 0)
        state = jax.eval_shape(train.init, keys, hyper, dataset.train)
        one = jax.jit(train.chunk).lower(state, keys, hyper, dataset.train, np.int32(1))
        cost: Any = one.compile().cost_analysis()
    cost = cost[0] if isinstance(cost, list) else cost
    return float(cost["flops"])


def by_pytorch(graphed: bool) -> float:
    """Steps per second of the same network and optimizer in PyTorch on the GPU."""
    import torch  # pyright: ignore[reportMissingImports]
    from torch import nn  # pyright: ignore[reportMissingImports]

    _, dataset = trial_of()
    device = torch.device("cuda")
    x = torch.tensor(np.asarray(dataset.train.inputs)).permute(0, 3, 1, 2).contiguous().to(device)
    y = torch.tensor(np.asarray(dataset.train.targets), dtype=torch.long).to(device)
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 4, 10)),
    ).to(device)
    rule = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4, capturable=graphed)
    loss_of = nn.CrossEntropyLoss()
    inputs, targets = x[:BATCH].clone(), y[:BATCH].clone()

    def step() -> None:
        rule.zero_grad(set_to_none=True)
        loss_of(net(inputs), targets).backward()
        rule.step()

    def take(i: int) -> None:
        start = i * BATCH % (len(x) - BATCH)
        inputs.copy_(x[order[start : start + BATCH]])
        targets.copy_(y[order[start : start + BATCH]])

    order = torch.randperm(len(x), device=device)
    graph = None
    if graphed:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
    rates = []
    for _ in range(REPEATS):
        for warm in (True, False):
            torch.cuda.synchronize()
            began = time.perf_counter()
            for i in range(50 if warm else STEPS):
                take(i)
                graph.replay() if graph else step()
            torch.cuda.synchronize()
        rates.append(STEPS / (time.perf_counter() - began))
    return statistics.median(rates)


def main() -> None:
    lanes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    device = jax.devices()[0].device_kind
    print(f"{device}, jax {jax.__version__}, CNN 16-32 on digits, batch {BATCH}, {STEPS} steps")
    alone, compile_alone = steps_per_second(0)
    print(f"each: {alone:,.0f} steps/s (compiled in {compile_alone:.1f} s)", flush=True)
    for width in (64, 256, lanes):
        together, compiling = steps_per_second(width)
        ratio = f"{together / alone:.0f} times (compiled in {compiling:.1f} s)"
        print(f"{width} lanes: {together:,.0f} steps/s, {ratio}", flush=True)
    flops = flops_per_step() * together
    for name, (single, tensor) in PEAKS.items():
        if name in device:
            share = (
                f"{flops / single:.1%} of its float32 peak, {flops / tensor:.1%} of its TF32 peak"
            )
            print(f"{flops / 1e12:.2f} TFLOP/s by XLA's count: {share}")
    try:
        import torch  # pyright: ignore[reportMissingImports]

        assert torch.cuda.is_available()
    except (ImportError, AssertionError):
        return
    for graphed, name in ((False, "eager"), (True, "CUDA graph")):
        rate = by_pytorch(graphed)
        print(
            f"PyTorch {name}: {rate:,.0f} steps/s, lanes are {together / rate:.0f} times",
            flush=True,
        )


if __name__ == "__main__":
    main()
