"""Tasks: what is learnt, as a loss and metrics per example."""

TASKS = {
    "classification": "funcdl.tasks.classification:classification",
    "regression": "funcdl.tasks.regression:regression",
    "anomaly": "funcdl.tasks.anomaly:anomaly",
    "forecasting": "funcdl.tasks.forecasting:forecasting",
    "recommendation": "funcdl.tasks.recommendation:recommendation",
}

# Where targets are several arrays: the one that outputs are compared with, and kept beside them.
TARGETS = {"forecasting": "steps", "recommendation": "item"}

# The metrics that each task always has, and which way is better. A split's value is the mean over its
# examples. Metrics of whole splits, computed where a study asks for them: `funcdl.tasks.summaries`.
METRICS = {
    "classification": {"loss": "min", "accuracy": "max", "brier": "min"},
    "regression": {"loss": "min", "mse": "min", "mae": "min"},
    "anomaly": {"loss": "min"},
    "forecasting": dict.fromkeys(("loss", "mse", "mae", "mape", "smape", "mase", "pinball"), "min"),
    "recommendation": {
        "loss": "min",
        "ndcg@10": "max",
        "recall@10": "max",
        "precision@10": "max",
        "mrr": "max",
    },
}
