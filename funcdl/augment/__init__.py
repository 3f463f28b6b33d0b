"""Augmentations: the table of names. Each is a pure function of a key and a batch of inputs."""

AUGMENTATIONS: dict[str, str] = {}
