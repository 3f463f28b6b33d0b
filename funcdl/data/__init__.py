"""Data sets: whole splits in host memory, checked, and their order as a pure function.

Read in this order: `arrays` (a user's arrays), `split`, `digits` (a data set that pip brings),
`load` (what a study names), `order` (which examples a step sees). Only `order` imports JAX.
"""

DATASETS = {
    "digits": "funcdl.data.digits:digits",
}
