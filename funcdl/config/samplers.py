"""The names of the samplers."""

SAMPLERS = {
    "grid": "funcdl.plan.samplers:grid",
    "random": "funcdl.plan.samplers:random",
    "halton": "funcdl.plan.samplers:halton",
    "sobol": "funcdl.plan.samplers:sobol",
}
