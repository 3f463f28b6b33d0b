"""What is evaluated are the parameters as they are now."""

import jax
import numpy as np
import pytest

from funcdl.data.load import make_data
from funcdl.execute.programs import as_scalars, compile_program
from funcdl.train.assemble import Static
from funcdl.train.streams import stream_keys

DATA = make_data("digits")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_evaluation_sees_every_update(optimizer: str):
    """Weights are updated in their place, and a library that packs them by address misses that.

    So did the XNNPACK of jaxlib 0.7 and 0.8 in the product that `relu` follows, from the third
    call on.
    """
    static = Static(
        task={"name": "classification"},
        model={"name": "mlp", "hidden": [256, 256]},
        optimizer={"name": optimizer},
        schedule={"name": "constant"},
        batch_size=64,
        accumulate=1,
        clip_norm=False,
        clip_value=False,
        weight_decay=False,
    )
    hyper = {"optimizer.learning_rate": 1e-2, "train.steps": 40.0, "train.schedule.warmup": 0.0}
    data, keys, numbers = jax.device_put(DATA.train), stream_keys(0, "tune", 0), as_scalars(hyper)
    program, _ = compile_program(static, DATA, data, hyper)
    state = program.init(keys, numbers, data)
    batch = jax.tree.map(lambda x: x[: program.rows], DATA.test)
    batch = jax.tree.map(lambda x: np.resize(x, (program.rows, *x.shape[1:])), batch)
    for stop in range(10, 50, 10):
        state = program.chunk(state, keys, numbers, data, np.int32(stop))
        found = program.evaluate(state, numbers, batch)["loss"]
        params = jax.tree.map(np.array, state.variables["params"])
        np.testing.assert_allclose(found, by_hand(params, batch), rtol=1e-3, atol=1e-5)


def by_hand(params, batch) -> np.ndarray:
    """Cross-entropy of the network, in NumPy."""
    h = np.reshape(batch.inputs, (len(batch.targets), -1)).astype(np.float64)
    for layer in ("Dense_0", "Dense_1", "Dense_2"):
        h = h @ params[layer]["kernel"] + params[layer]["bias"]
        h = np.maximum(h, 0) if layer != "Dense_2" else h
    top = h.max(1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(h - top).sum(1))
    return log_sum - h[np.arange(len(h)), batch.targets]
