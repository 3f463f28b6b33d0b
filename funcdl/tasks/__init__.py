"""Tasks: what is learnt, as a loss and metrics per example."""

TASKS = {
    "classification": "funcdl.tasks.classification:classification",
    "regression": "funcdl.tasks.regression:regression",
}

# The metrics that each task always has, and which way is better. A split's value is the mean over its
# examples. Metrics of whole splits, computed where a study asks for them: `funcdl.tasks.summaries`.
METRICS = {
    "classification": {"loss": "min", "accuracy": "max", "brier": "min"},
    "regression": {"loss": "min", "mse": "min", "mae": "min"},
}
