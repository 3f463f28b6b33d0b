"""Statistics of many methods on many problems.

A problem is one observation: repeats say how well a method's score on a problem is known, and never
count as further problems. Read them in this order: `ranking` (places on each problem), `friedman` (do
places differ at all), `critical` (which mean places lie far enough apart), `pairwise` (two methods over
all problems, by `funcdl.stats.signed_rank`), `bayes` (the same with a posterior); `normalise`, `aggregate`
and `profile` (scores pooled over problems); `dominance` (two methods on one problem); `survival` and
`algoperf` (how soon a target is reached). Larger scores are better throughout; negate a loss.
"""
