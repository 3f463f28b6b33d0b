"""Optimizers of optax whose defaults do something else than their papers, with working ones."""

from __future__ import annotations

import optax


def adadelta(
    learning_rate: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> optax.GradientTransformation:
    """optax's Adadelta with a rate of 1 by default, which is the paper's update.

    optax's own default, None, leaves out the sign with the rate, and so climbs the loss.

    Reference: Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012), algorithm 1.

    Args:
        learning_rate: factor on the update.
        rho: decay of both running averages.
        eps: added under both square roots.
        weight_decay: added to the gradient times the parameters.

    >>> import jax.numpy as jnp
    >>> method = adadelta()
    >>> updates, _ = method.update(jnp.ones(1), method.init(jnp.zeros(1)), jnp.zeros(1))
    >>> bool(updates[0] < 0)
    True
    """
    return optax.adadelta(learning_rate, rho, eps, weight_decay)


def noisy_sgd(
    learning_rate: float, eta: float = 0.01, gamma: float = 0.55, key: int = 0
) -> optax.GradientTransformation:
    """optax's SGD with annealed Gaussian noise; optax warns where no seed is given.

    Reference: Neelakantan et al., "Adding Gradient Noise Improves Learning for Very Deep Networks"
    (2015), section 3: at step t the variance is `eta / (1 + t) ** gamma`.

    Args:
        learning_rate: step size.
        eta: the noise's variance at the first step.
        gamma: how fast it falls.
        key: seed of the noise, the same for each repeat.
    """
    return optax.noisy_sgd(learning_rate, eta, gamma, key)
