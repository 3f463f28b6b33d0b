"""Augmentations: the table of names. Each is a pure function of a key and a batch of inputs.

A name stands for `"module:function"`, so that this table can be read without JAX. The function is
`augmentation(key, inputs, **arguments) -> inputs`; every example of the batch has a draw of its own,
which depends on the key and on the example's position alone.
"""

AUGMENTATIONS: dict[str, str] = {
    "shift": "funcdl.augment.geometry:shift",
    "flip": "funcdl.augment.geometry:flip",
    "rotate": "funcdl.augment.geometry:rotate",
    "affine": "funcdl.augment.geometry:affine",
    "cutout": "funcdl.augment.masking:cutout",
    "time_mask": "funcdl.augment.masking:time_mask",
    "token_dropout": "funcdl.augment.masking:token_dropout",
    "noise": "funcdl.augment.values:noise",
    "scaling": "funcdl.augment.values:scaling",
    "feature_swap": "funcdl.augment.values:feature_swap",
}

READS: dict[str, tuple[str, ...]] = {
    "shift": ("images",),
    "flip": ("images",),
    "rotate": ("images",),
    "affine": ("images",),
    "cutout": ("images",),
    "time_mask": ("sequences",),
    "token_dropout": ("ids",),
    "noise": ("images", "sequences", "tables"),
    "scaling": ("images", "sequences", "tables"),
    "feature_swap": ("tables",),
}
"""What each can change: `SHAPES` says what these words mean."""

SHAPES: dict[str, str] = {
    "images": "images, floats [n, height, width, channels]",
    "sequences": "sequences, floats [n, time, features]",
    "tables": "tables, floats [n, features]",
    "ids": "ids, whole numbers [n, time]",
}
