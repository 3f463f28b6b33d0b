"""A run as pure functions of keys, hyperparameters and data."""
