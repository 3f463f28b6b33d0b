"""Tasks: what is learnt, as a loss and metrics per example."""

TASKS = {
    "classification": "funcdl.tasks.classification:classification",
    "regression": "funcdl.tasks.regression:regression",
}

# The metrics of each task, and which way is better. A split's value is the mean over its examples.
METRICS = {
    "classification": {"loss": "min", "accuracy": "max", "brier": "min"},
    "regression": {"loss": "min", "mse": "min", "mae": "min"},
}
