"""Run as `python -m tests.tpu_programs FAMILY`: compiles its programs for four TPU v5e chips, of
which this machine has none. Needs `libtpu`, whose compiler asks for no chip."""

import json
import os
import sys
from typing import Any

os.environ |= {
    "JAX_PLATFORMS": "cpu",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_SKIP_MDS_QUERY": "1",
}

import jax
import jax.numpy as jnp
from jax.experimental import topologies
from jax.sharding import NamedSharding, PartitionSpec

from funcdl.data.load import make_data
from funcdl.train.assemble import assemble
from funcdl.train.lanes import AXIS, lane_mesh, over_lanes
from funcdl.train.mesh import make_mesh, over, rows_over, shardings
from funcdl.train.streams import stream_keys
from tests.eight_devices import scalars, static

FAMILIES = {
    "mlp": {"name": "mlp", "hidden": [256, 256], "dropout": 0.1},
    "cnn": {"name": "cnn", "channels": [16, 32]},
    "lstm": {"name": "lstm", "hidden": [64]},
    "gru": {"name": "gru", "hidden": [64]},
    "transformer": {"name": "transformer", "width": 64, "depth": 1, "heads": 4},
    "resnet": {"name": "resnet", "channels": [16, 32]},
}
DATA = make_data("digits")
LANES = 2  # on each chip


def compiled(family: str, how: str, devices: list[Any]) -> list[int]:
    """Compiles `init`, `chunk` and `evaluate`; returns the memory each works in, in bytes."""
    mesh = {"alone": make_mesh({}, devices), "mesh": make_mesh({"data": 2, "fsdp": 2}, devices)}
    place = mesh.get(how) or lane_mesh(devices)
    assert place is not None
    what = static(FAMILIES[family])
    train = assemble(what, DATA, over(place) if how == "mesh" else None)
    everywhere = NamedSharding(place, PartitionSpec())
    each = everywhere
    keys, hyper, stop = stream_keys(0, "tune", 0), scalars(), jnp.int32(0)
    if how == "lanes":
        train, lanes = over_lanes(train, place), LANES * len(devices)
        each = NamedSharding(place, PartitionSpec(AXIS))
        keys, hyper, stop = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((lanes, *x.shape), x.dtype), (keys, hyper, stop)
        )
    keys, hyper, stop = at((keys, hyper, stop), each)
    data = at(DATA.train, everywhere)
    shapes = jax.eval_shape(train.init, keys, hyper, data)
    where = {"out_shardings": shardings(shapes, place)} if how == "mesh" else {}
    init = jax.jit(train.init, **where).lower(keys, hyper, data).compile()
    state = jax.tree.map(
        lambda x, there: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=there),
        shapes,
        init.output_shardings,
    )
    chunk = jax.jit(train.chunk, donate_argnums=0, **where)
    batch = jax.tree.map(lambda x: x[:128], DATA.test)
    batch = at(batch, rows_over(place) if how == "mesh" else everywhere)
    made = [
        init,
        chunk.lower(state, keys, hyper, data, stop).compile(),
        jax.jit(train.evaluate).lower(state, hyper, batch).compile(),
    ]
    needs = [program.memory_analysis() for program in made]
    return [need.temp_size_in_bytes for need in needs if need is not None]


def at(tree: Any, sharding: NamedSharding) -> Any:
    """The shapes of arrays that lie there."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        tree,
    )


if __name__ == "__main__":
    topology = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2")
    found = {}
    for how in ("alone", "mesh", "lanes"):
        try:
            found[how] = compiled(sys.argv[1], how, list(topology.devices))
        except Exception as error:
            found[how] = f"{type(error).__name__}: {str(error)[:1000]}"
    print(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # libtpu waits for a runtime that is not there
