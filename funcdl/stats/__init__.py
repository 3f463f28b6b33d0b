"""Statistics of a comparison: intervals, paired tests, corrections, verdicts and ranks.

NumPy and SciPy only. Read them in this order: `interval`, `paired`, `multiple`, `equivalence`,
`verdict`, `rank`; then `crossed` and `corrected` (data like these), `sequential` (looking more than
once), `components` (where variance comes from), `superiority`, `effect` and `nonparametric`
(descriptions). docs/statistics.md has assumptions and measured error rates.
What no report uses and is there for whoever asks for it: `effect.power`, `effect.repeats` and
`effect.detectable` (planning), `superiority.all_pairs` and `nonparametric.permutation` (repeats that
share nothing), `superiority.noether`, and in `across`: `bayes.bayesian_sign`,
`dominance.almost_stochastic_order`, `critical.against_control`.
Every function returns a defined value for every input: where a number cannot be given it is None,
and `reason` says why.
"""
