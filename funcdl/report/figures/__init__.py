"""Figures of a study as Matplotlib `Figure` objects, without pyplot and its global state."""
