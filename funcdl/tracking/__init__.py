"""Runs as they happen, for other people's dashboards: TensorBoard and Weights & Biases.

Everything here runs in the supervisor's process, in threads of its own, and may fail without any run
noticing.
"""
