"""Metrics: one number per example, so that every later number has an n and an interval."""
