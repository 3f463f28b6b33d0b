"""Data sets: splits in host memory or in files, checked, and their order as a pure function.

Read in this order: `arrays` (a user's arrays), `split`, `digits` (a data set that pip brings),
`load` (what a study names), `order` (which examples a step sees); then `mapped`, `rows` and `reading`
for what is larger than memory, `fitted` for what is prepared by the training split alone, and `files/`
for what a user has on disk. Only `order` and `reading` import JAX.
"""

DATASETS = {
    "digits": "funcdl.data.digits:digits",
    "digits_one_class": "funcdl.data.digits_one_class:digits_one_class",
    "mnist_5k": "funcdl.data.mnist_5k:mnist_5k",
    "mnist_8x8": "funcdl.data.mnist_8x8:mnist_8x8",
    "reviews": "funcdl.data.reviews:reviews",
    "shuttle": "funcdl.data.shuttle:shuttle",
    "phishing": "funcdl.data.phishing:phishing",
    "stocks": "funcdl.data.stocks:stocks",
    "demand": "funcdl.data.demand:demand",
    "movielens": "funcdl.data.movielens:movielens",
    "npz": "funcdl.data.files.npz:npz",
    "table": "funcdl.data.files.table:table",
    "text": "funcdl.data.files.text:text",
    "images": "funcdl.data.files.images:images",
    "series": "funcdl.data.files.series:series",
    "ratings": "funcdl.data.files.ratings:ratings",
    "huggingface": "funcdl.data.files.huggingface:huggingface",
    "tfds": "funcdl.data.files.tfds:tfds",
}
