"""Does signed momentum, a centred gradient or a shorter memory beat AdamW on digits?

    python experiments/own_optimizer.py

An optimizer is any function that returns an optax transformation. Its arguments that are floats
are traced: a search over them compiles nothing twice. What a closure or `partial` has fixed is a
part of the method, so changing it runs that method again, and no other.

What came out: test accuracy, with 95% intervals over 5 seeds; 20 seconds on two cores.

    adamw         0.977 [0.973, 0.982]
    signum        0.965 [0.962, 0.968]
    centred       0.974 [0.965, 0.984]
    short memory  0.978 [0.971, 0.985]
    nesterov      0.974 [0.962, 0.985]

No: signed momentum is worse (p = 0.01 after Holm), and five seeds do not tell the others apart.
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax

import funcdl as fd


# A function. Both floats can be searched; `beta` is searched below.
def signum(learning_rate: float, beta: float = 0.9) -> optax.GradientTransformation:
    """The sign of the momentum (Bernstein et al., 2018)."""
    sign = optax.stateless(lambda updates, _: jax.tree.map(jnp.sign, updates))
    return optax.chain(optax.ema(beta), sign, optax.scale(-learning_rate))


# A function that makes optimizers: what it returns is a closure over `inner`.
def centred(inner):
    """Any optimizer on gradients whose mean over inputs is removed (Yong et al., 2020)."""

    def make(learning_rate: float) -> optax.GradientTransformation:
        return optax.chain(optax.centralize(), inner(learning_rate))

    return make


optimizers = [
    "adamw",
    signum,
    {"name": centred(optax.adamw), "label": "centred"},
    {"name": partial(optax.adamw, b2=0.95), "label": "short memory"},
    {"name": lambda learning_rate: optax.sgd(learning_rate, 0.9, True), "label": "nesterov"},
]

study = fd.Study(
    name="own_optimizer",
    task="classification",
    data="digits",
    model={"name": "mlp", "hidden": [64]},
    train={"steps": 200, "batch_size": 64, "schedule": {"name": "cosine", "warmup": 0.1}},
    compare={"optimizer": optimizers},
    contrasts={"against": "adamw"},
    tune={
        "optimizer.learning_rate": {"log_uniform": [1e-4, 1.0]},
        # Only signum has a `beta`, so only signum searches it; the budget stays the same.
        "optimizer.beta": {
            "when": {"optimizer": "signum"},
            "one_minus": {"log_uniform": [0.01, 0.5]},
        },
        "trials": 8,
    },
    repeat=5,
)

results = fd.run(study, out="runs/own_optimizer")
print(results.table[["method", "optimizer.learning_rate", "n", "mean", "low", "high"]].round(4))
print(results.comparisons[["a", "b", "difference", "low", "high", "p_holm", "verdict"]].round(4))
