"""Images turned the way a CPU likes them: channels first and the batch last.

In `[channels, height, width, batch]` all that a convolutional network does to a pixel it does to a
run of consecutive numbers, one per example: cutting patches, their gradient, pooling. And patches are
columns of a matrix, for which XLA:CPU has a fast product in all three forms of a convolution and its
gradients (docs/roofline.md). An accelerator gets `[batch, height, width, channels]` as it came. Between
the two only the first and the last axis change places, so pooling and activations need not know.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from funcdl.models import initial
from funcdl.models.convolution import conv_general_dilated
from funcdl.models.inputs import as_vectors


def turned(images: jax.Array) -> jax.Array:
    """Exchanges batch and channels on a CPU; done twice, it changes nothing.

    >>> turned(jnp.zeros((5, 8, 8, 3))).shape
    (3, 8, 8, 5)
    """
    return jnp.swapaxes(images, 0, -1) if _turns() else images


def channels_axis() -> int:
    """Which axis of turned images holds the channels."""
    return 0 if _turns() else -1


def turned_as_vectors(images: jax.Array) -> jax.Array:
    """What `as_vectors` makes of images, from turned ones: `[batch, height x width x channels]`.

    >>> images = jnp.arange(24.0).reshape(2, 2, 3, 2)
    >>> bool((turned_as_vectors(turned(images)) == as_vectors(images)).all())
    True
    """
    if not _turns():
        return as_vectors(images)
    # A matrix first, then its transpose: XLA takes that into the product that follows.
    columns = jnp.reshape(jnp.moveaxis(images, 0, -2), (-1, images.shape[-1]))
    return columns.T


class Conv(nn.Module):
    """Linen's convolution of turned images, with its parameters and padding, `SAME`.

    Attributes:
        features: channels of the result.
        size: height and width of the kernel.
        strides: step of the window, the same along both axes.
        use_bias: whether a bias is added.
    """

    features: int
    size: Sequence[int]
    strides: int = 1
    use_bias: bool = True

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps turned images to turned images."""
        axis = channels_axis()
        shape = (*self.size, images.shape[axis], self.features)
        kernel = self.param("kernel", initial.weights, shape, jnp.float32)
        bias = None
        if self.use_bias:
            zeros = nn.initializers.zeros_init()
            bias = self.param("bias", zeros, (self.features,), jnp.float32)
        images, kernel, bias = promote_dtype(images, kernel, bias)
        layout = "CHWN" if axis == 0 else "NHWC"
        out = conv_general_dilated(
            images,
            kernel,
            (self.strides, self.strides),
            "SAME",
            dimension_numbers=(layout, "HWIO", layout),
        )
        if bias is None:
            return out
        ones = [1] * out.ndim
        ones[axis] = self.features
        return out + jnp.reshape(bias, ones)


def _turns() -> bool:
    return jax.default_backend() == "cpu"
