"""What a study will do: which runs, which programs they share, and what follows from what."""

SAMPLERS = {
    "grid": "funcdl.plan.samplers:grid",
    "random": "funcdl.plan.samplers:random",
    "halton": "funcdl.plan.samplers:halton",
    "sobol": "funcdl.plan.samplers:sobol",
}
