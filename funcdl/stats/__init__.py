"""Statistics of a comparison: intervals, paired tests, corrections, verdicts and ranks.

NumPy and SciPy only. Read them in this order: `interval`, `paired`, `multiple`, `verdict`, `rank`.
Every function returns a defined value for every input: where a number cannot be given it is None,
and `reason` says why.
"""
