"""Data sets: splits in host memory or in files, checked, and their order as a pure function.

Read in this order: `arrays` (a user's arrays), `split`, `digits` (a data set that pip brings),
`load` (what a study names), `order` (which examples a step sees); then `mapped`, `rows` and `reading`
for what is larger than memory. Only `order` and `reading` import JAX.
"""

DATASETS = {
    "digits": "funcdl.data.digits:digits",
}
