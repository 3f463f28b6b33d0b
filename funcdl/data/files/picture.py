"""Pictures of all kinds, as those of eight bits in grey or in red, green and blue."""

from __future__ import annotations

from typing import Any

import numpy as np

_CLEAR = ("RGBA", "RGBa", "LA", "La", "PA", "P")


def eight_bits(picture: Any) -> Any:
    """A picture of Pillow as one of mode `L` or `RGB`; that of floats (`F`) stays as it is.

    Grey of 16 bits is scaled to 8, where Pillow itself would cut off what is above 255; transparency is
    laid on black; a palette is looked up.

    >>> from PIL import Image
    >>> deep = Image.fromarray(np.full((1, 2), 51400, np.uint16))
    >>> found = eight_bits(deep)
    >>> found.mode, np.asarray(found).tolist()
    ('L', [[200, 200]])
    """
    from PIL import Image

    if picture.mode.startswith("I"):
        grey = np.asarray(picture, np.float64) / 257
        return Image.fromarray(np.clip(grey.round(), 0, 255).astype(np.uint8))
    if picture.mode in _CLEAR:
        clear = picture.convert("RGBA")
        ground = Image.new("RGBA", clear.size, (0, 0, 0, 255))
        laid = Image.alpha_composite(ground, clear)
        return laid.convert("L" if picture.mode in ("LA", "La") else "RGB")
    if picture.mode in ("L", "RGB", "F"):
        return picture
    return picture.convert("L" if picture.mode == "1" else "RGB")
