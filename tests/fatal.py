"""Models that take their worker down once: in the middle of training, or while they are traced.

Each leaves a marker, a file, when it strikes, and does no harm where there is one.
"""

import ctypes
import itertools
import os
import signal
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

SIGNALS = {"crash": signal.SIGSEGV, "memory": signal.SIGKILL}  # as the kernel does for memory


def linear(outputs: int, before=lambda: None, during=lambda: None):
    """A linear model that calls functions of no arguments on the host: when traced, in each step."""

    def init(key, inputs):
        return 0.1 * jax.random.normal(key, (inputs[0].size, outputs))

    def apply(weights, inputs):
        before()

        def host(_):
            during()
            return np.zeros((), np.float32)

        flat = inputs.reshape(len(inputs), -1)
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return jnp.dot(flat, weights) + jax.pure_callback(host, shape, flat[0, 0])

    return init, apply


def fatal(outputs: int, how: str, marker: str):
    """Strikes in the middle of training: in the third step, when there is a checkpoint of the first."""
    steps = itertools.count(1)

    def strike():
        if next(steps) < 3 or Path(marker).exists():
            return
        Path(marker).touch()
        if how == "hang":  # deaf, too: it keeps Python's lock
            ctypes.PyDLL(None).sleep(100_000)
        os.kill(os.getpid(), SIGNALS[how])

    return linear(outputs, during=strike)


def entangled(outputs: int, marker: str):
    """Draws the initial weights of an LSTM, in lanes on two devices, while it is traced.

    With jaxlib 0.10.2 all of XLA's threads then wait for each other for ever, without using a core:
    what hangs a vmapped LSTM under `shard_map` is the orthogonal weights of its four gates, whose
    batched QR decompositions run at the same time.
    """

    def draw_elsewhere():
        if Path(marker).exists():
            return
        thread = threading.Thread(target=draw_lstm_weights, args=(marker,))
        thread.start()  # what is traced here is this model, and not that program
        thread.join()

    return linear(outputs, before=draw_elsewhere)


def draw_lstm_weights(marker: str, size: int = 64, lanes: int = 8) -> None:
    """Hangs; or writes into the marker that it did not."""
    mesh = jax.make_mesh((2,), ("lanes",), axis_types=(jax.sharding.AxisType.Auto,))
    lane = PartitionSpec("lanes")

    def draw(key):
        gates = jax.random.split(key, 4)
        return [jnp.linalg.qr(jax.random.normal(k, (size, size)))[0] for k in gates]

    program = jax.jit(
        jax.shard_map(jax.vmap(draw), mesh=mesh, in_specs=lane, out_specs=lane, check_vma=False)
    )
    keys = jax.device_put(
        jax.random.split(jax.random.key(0), lanes), jax.sharding.NamedSharding(mesh, lane)
    )
    compiled = program.lower(keys).compile()
    Path(marker).touch()
    for _ in range(12):
        jax.block_until_ready(compiled(keys))
    Path(marker).write_text("did not hang")
