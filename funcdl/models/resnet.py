"""Residual networks for small images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from funcdl.models.dense import dense
from funcdl.models.inputs import as_images
from funcdl.models.turned import Conv, channels_axis, turned


class ResNet(nn.Module):
    """The residual network for CIFAR of He et al. (2016), section 4.2, with basic blocks.

    A 3x3 convolution, then stages of blocks `relu(shortcut(x) + norm(conv(relu(norm(conv(x))))))`;
    each stage but the first begins with a stride of 2. The shortcut is the identity, or where the
    shape changes a normed 1x1 convolution (their option B). Then the mean over the pixels and one
    affine map. ResNet-20 is `channels=(16, 32, 64), blocks=3`.

    Attributes:
        outputs: width of the output; filled by the task.
        channels: channels of the stages.
        blocks: blocks per stage.
        norm: "batch" keeps running statistics, in the collection `batch_stats`, and makes the
            examples of a training batch depend on one another; "group" does neither.
        groups: groups of the group norm (Wu & He, 2018); divides every entry of `channels`.
        stride: of the first convolution; 2 makes all that follows four times as cheap.
    """

    outputs: int
    channels: Sequence[int] = (16, 32, 64)
    blocks: int = 1
    norm: Literal["batch", "group"] = "batch"
    groups: int = 8
    stride: int = 1

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False) -> jax.Array:
        """Maps `[batch, height, width, channels]` to `[batch, outputs]`."""
        h = turned(as_images(inputs))
        h = self._convolve(h, self.channels[0], size=3, stride=self.stride)
        h = nn.relu(self._normalise(h, train))
        for stage, width in enumerate(self.channels):
            for block in range(self.blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                h = self._block(h, width, stride, train)
        return dense(self.outputs)(turned(jnp.mean(h, axis=(1, 2))))

    def _block(self, h: jax.Array, width: int, stride: int, train: bool) -> jax.Array:
        """Two 3x3 convolutions beside a shortcut."""
        shortcut = h
        if stride != 1 or h.shape[channels_axis()] != width:
            shortcut = self._normalise(self._convolve(h, width, size=1, stride=stride), train)
        h = nn.relu(self._normalise(self._convolve(h, width, size=3, stride=stride), train))
        h = self._normalise(self._convolve(h, width, size=3), train)
        return nn.relu(shortcut + h)

    def _convolve(self, h: jax.Array, width: int, *, size: int, stride: int = 1) -> jax.Array:
        """A convolution without bias: the norm that follows has one."""
        return Conv(width, (size, size), stride, use_bias=False)(h)

    def _normalise(self, h: jax.Array, train: bool) -> jax.Array:
        if self.norm == "batch":
            axis = channels_axis()
            return nn.BatchNorm(use_running_average=not train, axis=axis, momentum=0.9)(h)
        return turned(nn.GroupNorm(num_groups=self.groups)(turned(h)))
