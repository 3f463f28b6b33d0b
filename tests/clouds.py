"""A small problem in the plane, a linear model for it, and studies of both made in Python."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import funcdl as fd

N = 90


def clouds() -> tuple[np.ndarray, np.ndarray]:
    """Three classes in the plane, [90, 2] and [90]."""
    rng = np.random.default_rng(0)
    label = np.arange(N) % 3
    return rng.normal(size=(N, 2)) + 2.0 * np.eye(3, 2)[label], label


def linear(change=lambda outputs: outputs, width: int | None = None):
    """A linear model as a pair of functions, whose outputs are changed."""

    def model(outputs: int):
        def init(key, inputs):
            return 0.1 * jax.random.normal(key, (inputs.shape[-1], width or outputs))

        def apply(params, inputs):
            return change(jnp.dot(inputs, params))

        return init, apply

    return model


def run(folder: Path, **keys) -> fd.Results:
    """A study of the clouds, carried out quietly."""
    study = {
        "task": "classification",
        "data": {"name": clouds(), "classes": 3},
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "train": {"steps": 20, "batch_size": 16, "eval_every": 10},
    }
    options = {"workers": keys.pop("workers", 2), "observe": lambda status: None}
    return fd.run(fd.Study(**(study | keys)), out=folder, **options)
