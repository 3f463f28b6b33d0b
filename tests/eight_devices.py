"""Run as `python -m tests.eight_devices CASE`, with eight devices made of the CPU: one run over a mesh."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from funcdl.data.load import make_data
from funcdl.execute.feed import training_data
from funcdl.execute.messages import Job
from funcdl.execute.programs import as_scalars, compile_program
from funcdl.execute.runner import run_job
from funcdl.models.make import make_model
from funcdl.plan.mode import Mode
from funcdl.train.assemble import Static, assemble
from funcdl.train.lanes import placed
from funcdl.train.mesh import make_mesh, over, shardings
from funcdl.train.start import Start, named
from funcdl.train.streams import STREAMS, stream_keys
from funcdl.train.window import Partly
from funcdl.types import Dataset, Split, State, Train

jax.config.update("jax_numpy_rank_promotion", "raise")

AXES = {"data": 2, "fsdp": 4}
DATA = make_data("digits")
MLP = {"name": "mlp", "hidden": [128, 128]}
TRANSFORMER = {"name": "transformer", "width": 64, "depth": 1, "heads": 4}
SPECIAL = ("frozen", "unlabelled", "deep_svdd")
HYPER = {"optimizer.learning_rate": 1e-3, "train.steps": 30.0, "train.schedule.warmup": 0.0}


def static(model: dict[str, Any], optimizer: str = "adam", accumulate: int = 1) -> Static:
    return Static(
        task={"name": "classification"},
        model=model,
        optimizer={"name": optimizer},
        schedule={"name": "constant"},
        batch_size=64,
        accumulate=accumulate,
        clip_norm=False,
        clip_value=False,
        weight_decay=False,
    )


def wide(tree: Any) -> Any:
    """Floats in float64."""
    is_float = lambda x: jnp.issubdtype(x.dtype, jnp.floating)  # noqa: E731
    return jax.tree.map(lambda x: np.asarray(x, np.float64) if is_float(x) else x, tree)


def trained(
    what: Static, axes: dict[str, int], steps: int, dataset: Dataset = DATA, *begun: Any
) -> State:
    """The state after some steps in float64."""
    mesh = make_mesh(axes) if axes else None
    train = assemble(what, dataset, over(mesh) if mesh else None)
    alone = assemble(what, dataset)
    keys, hyper, data = stream_keys(0, "measure", 0), wide(scalars()), wide(dataset.train)
    state = jax.jit(alone.init)(keys, hyper, data, *begun)
    if what.unlabelled:
        data = Partly(data, Split(wide(dataset.unlabelled), ()))
    state = state._replace(variables=wide(state.variables), opt_state=wide(state.opt_state))
    if mesh:
        state = jax.device_put(state, shardings(state, mesh))
        keys, hyper, data = placed((keys, hyper, data), mesh, lanes=False)
    where = {"out_shardings": shardings(state, mesh)} if mesh else {}
    return jax.jit(train.chunk, **where)(state, keys, hyper, data, jnp.int32(steps))


def scalars() -> dict[str, np.ndarray]:
    return as_scalars(HYPER)


def float64() -> Any:
    """As `compared` says, for two models."""
    return compared(
        {
            "mlp": (static(MLP | {"dropout": 0.2}, accumulate=4),),
            "transformer": (static(TRANSFORMER, "adamw"),),
        }
    )


def float64_more() -> Any:
    """The same for models that take longer to compile."""
    return compared(
        {
            "resnet": (static({"name": "resnet", "channels": [16, 32]}),),  # batch normalisation
            "cnn": (static({"name": "cnn", "channels": [16, 32]}, "lion"),),
            "lstm": (static({"name": "lstm", "hidden": [64]}, "adamw"),),
        }
    )


def special(name: str) -> tuple[Static, Dataset, *tuple[Any, ...]]:
    """What a run is made of whose variables or batches are not those of most: its static part, its data,
    and what it begins with.

    frozen: parameters that are not trained, in a collection of their own.
    unlabelled: batches with examples that have no label, of which there are four for each that has one.
    deep_svdd: a centre that follows from the whole first batch.
    """
    if name == "deep_svdd":
        net = {"name": "deep_svdd", "hidden": [128], "bottleneck": 32}
        return static(net)._replace(task={"name": "anomaly"}), make_data("digits_one_class")
    if name == "unlabelled":
        few = make_data({"name": "digits", "labelled": 200})
        shift = [{"name": "shift", "pixels": 1.0}]
        how = {"name": "consistency", "ratio": 4, "weight": 1.0, "threshold": 0.2, "strong": shift}
        return static(MLP, accumulate=2)._replace(unlabelled=how), few
    learnt = named(make_model(MLP, 10).init(jax.random.key(5), DATA.train.inputs[:1]))
    arrays = {key: np.asarray(x) for key, x in learnt.items()}
    shapes = tuple((key, x.shape, x.dtype.name) for key, x in arrays.items())
    start = Start(shapes, head=True, freeze=("Dense_1", "Dense_0/bias"))
    return static(MLP, "adamw")._replace(start=start), DATA, arrays


def float64_special() -> Any:
    """As `compared` says, for what is special; and what must not have moved, did not."""
    found = compared({name: special(name) for name in SPECIAL})
    what, dataset, *begun = special("frozen")
    ends = [trained(what, AXES, steps, dataset, *begun).variables["frozen"] for steps in (0, 30)]
    return found | {"frozen moved": apart(*ends)}


def compared(models: Mapping[str, tuple[Static, *tuple[Any, ...]]]) -> dict[str, Any]:
    """Per model the largest difference of a variable between one device and eight, and how far
    training moved one."""
    assert jax.config.read("jax_enable_x64")
    found = {}
    for name, (what, *rest) in models.items():
        one, many, start = (
            trained(what, *how, *rest).variables for how in (({}, 30), (AXES, 30), ({}, 0))
        )
        floats = [x for x in jax.tree.leaves(many) if x.dtype.kind == "f"]
        assert all(x.dtype == np.float64 for x in floats)
        found[name] = [apart(one, many), apart(one, start)]
    return found


def apart(one: Any, other: Any) -> float:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(np.max(np.abs(np.asarray(a) - np.asarray(b)))) for a, b in leaves)


def whole_run(axes: dict[str, int], what: Static, dataset: Dataset = DATA, *begun: Any) -> Any:
    mode, mesh = Mode(mesh=axes), make_mesh(axes) if axes else None
    ratio = what.unlabelled["ratio"] if what.unlabelled else 0
    data = training_data(dataset, "never", batch_size=64, ratio=ratio, mesh=mesh)
    program, _ = compile_program(what, dataset, data, HYPER, mode)
    at_zero: dict[str, int] = dict.fromkeys(STREAMS, 0)
    select = ("validation/loss", "min", "final")
    job = Job(
        *("id", "p", what, HYPER, dataset.digest, 0, "measure", at_zero, 30, 10, True, select),
        mode=mode,
        start=begun[0] if begun else None,
    )
    results = [run_job(job, program, dataset, data) for _ in range(1 + bool(axes))]
    return {
        "digests": [result.digest for result in results],
        "final": dict(results[0].final),
        "examples": results[0].examples["test/loss"].tolist(),
    }


def float32() -> Any:
    """A whole run through the compiled programs: over the mesh, or alone where there is one device."""
    return whole_run(AXES if jax.device_count() > 1 else {}, static(MLP, "adamw"))


def float32_special() -> Any:
    """The same for what is special, by its name."""
    axes = AXES if jax.device_count() > 1 else {}
    return {name: whole_run(axes, *special(name)) for name in SPECIAL}


def shards() -> Any:
    """Per array of a state after a step: its bytes, and those that the first device holds."""
    state = trained(static(MLP), AXES, 1)
    return {
        jax.tree_util.keystr(path): [
            x.nbytes,
            x.addressable_shards[0].data.nbytes,
            len(x.addressable_shards),
        ]
        for path, x in jax.tree_util.tree_leaves_with_path(state)
    }


def memory() -> Any:
    """What XLA says a device needs for `init` and `chunk`, alone and over the mesh, in bytes."""
    models = {
        "mlp": {"name": "mlp", "hidden": [1024, 1024, 1024]},
        "transformer": {"name": "transformer", "width": 256, "depth": 1, "heads": 4},
    }
    return {
        name: {"alone": needs(static(model), None), "mesh": needs(static(model), make_mesh(AXES))}
        for name, model in models.items()
    }


def needs(what: Static, mesh: Mesh | None) -> dict[str, Any]:
    train: Train = assemble(what, DATA, over(mesh) if mesh else None)
    inputs = placed((stream_keys(0, "measure", 0), scalars(), DATA.train), mesh, lanes=False)
    state = jax.eval_shape(train.init, *inputs)
    where = {"out_shardings": shardings(state, mesh)} if mesh else {}
    init = jax.jit(train.init, **where).lower(*inputs).compile()
    there = jax.tree.map(
        lambda x, at: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=at),
        state,
        init.output_shardings,
    )
    stop = placed(np.int32(0), mesh, lanes=False)
    chunk = jax.jit(train.chunk, donate_argnums=0, **where).lower(there, *inputs, stop).compile()
    data = sum(x.nbytes for x in jax.tree.leaves(inputs[2]))
    of_init, of_chunk = init.memory_analysis(), chunk.memory_analysis()
    assert of_init is not None
    assert of_chunk is not None
    return {
        "parameters": sum(x.size * 4 for x in jax.tree.leaves(state.variables)),
        "init": of_init.output_size_in_bytes + of_init.temp_size_in_bytes,
        "state": of_chunk.argument_size_in_bytes - data,
        "in place": of_chunk.alias_size_in_bytes,
        "chunk": of_chunk.argument_size_in_bytes - data + of_chunk.temp_size_in_bytes,
    }


CASES: dict[str, Callable[[], Any]] = {
    "float64": float64,
    "float64_more": float64_more,
    "float64_special": float64_special,
    "float32": float32,
    "float32_special": float32_special,
    "shards": shards,
    "memory": memory,
}

if __name__ == "__main__":
    print(json.dumps({case: CASES[case]() for case in sys.argv[1:]}))
