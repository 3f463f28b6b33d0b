"""Doing the runs: a supervisor that never imports JAX, and workers that do nothing else."""
