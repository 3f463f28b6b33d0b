"""Statistics of a comparison: intervals, paired tests, corrections, verdicts and ranks.

NumPy and SciPy only. Read them in this order: `interval`, `paired`, `multiple`, `equivalence`,
`verdict`, `rank`; then `crossed` and `corrected` (data like these), `sequential` (looking more than
once), `components` (where variance comes from), `superiority`, `effect` and `nonparametric`
(descriptions). docs/statistics.md has assumptions and measured error rates.
Every function returns a defined value for every input: where a number cannot be given it is None,
and `reason` says why.
"""
