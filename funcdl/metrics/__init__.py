"""Metrics: one number per example where that can be, else one per split.

`classification` and `regression` hold metrics per example, in JAX; what needs a whole split is NumPy,
on the host: `reliability`, `temperature`, `conformal`, `gaussian` and `ensemble`.
"""
