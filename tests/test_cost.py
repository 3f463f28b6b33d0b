"""What a program costs: XLA's count of a step, completed where XLA stops counting."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# pyright: reportOperatorIssue=false, reportOptionalOperand=false
# (that XLA may tell nothing is not of interest here)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcdl as fd
from funcdl.config import expand
from funcdl.execute.cost import Cost, cost, uncounted
from funcdl.execute.jobs import job_of
from funcdl.execute.programs import compile_program
from funcdl.execute.shelf import Shelf
from funcdl.plan.contest import due
from funcdl.plan.study import make_plan


def program(model, mode="each", **study):
    """The compiled program of a study's first run."""
    made = fd.Study(
        task="classification",
        data="digits",
        model=model,
        optimizer={"name": "sgd", "learning_rate": 0.1},
        mode=mode,
        train={"steps": 10, "batch_size": 32, "eval_every": 10},
        **study,
    )
    plan = make_plan(made, expand(made))
    job = job_of(plan, 0, due(plan.contests[0], {})[0])
    shelf = Shelf()
    shelf.datasets[job.data] = plan.datasets[job.data]
    found, _ = compile_program(
        job.static, shelf.datasets[job.data], shelf.on_device(job), job.hyper, job.mode
    )
    return found


def test_a_step_of_a_linear_model_is_three_products():
    """64 inputs, 10 outputs, 32 examples: forward and the weights' gradient, and little else."""
    found = program("logistic").cost
    products = 2 * 2 * 32 * 64 * 10
    assert products <= found.flops <= 1.5 * products
    state = 2 * 650 * 4
    assert found.memory > state + 1079 * 64 * 4


def test_lanes_share_their_program_and_each_counts_for_itself():
    alone, lanes = program("logistic").cost, program("logistic", mode="vmap", width=4).cost
    assert lanes.flops == pytest.approx(alone.flops, rel=0.1)
    assert lanes.memory > alone.memory


def test_all_turns_of_a_loop_over_time_count():
    """Against the same recurrence written out, which XLA counts in full."""
    x, w = np.ones((4, 8), np.float32), np.ones((8, 8), np.float32)

    def rolled(w, x):
        def turn(h, _):
            return jnp.tanh(h @ w), None

        return jax.lax.scan(turn, x, length=7)[0].sum()

    def written_out(w, x):
        for _ in range(7):
            x = jnp.tanh(x @ w)
        return x.sum()

    found = []
    for function in (rolled, written_out):
        traced = jax.jit(jax.grad(function)).trace(w, x)
        found.append(cost(traced.lower().compile(), traced.jaxpr).flops)
    assert found[0] == pytest.approx(found[1], rel=0.15)
    assert found[1] > 2 * 7 * 2 * 4 * 8 * 8  # forward, and one of two products backward, at least


def test_loops_within_loops_multiply_and_convolutions_count():
    x, k = jnp.ones((1, 8, 8, 3)), jnp.ones((3, 3, 3, 5))

    def convolve(x, k):
        return jax.lax.conv_general_dilated(
            x, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def inner(total, _):
        return total + convolve(x, k).sum(), None

    def outer(total, _):
        return jax.lax.scan(inner, total, length=3)[0], None

    made = jax.make_jaxpr(lambda: jax.lax.scan(outer, 0.0, length=5)[0])()
    assert uncounted(made) == 14 * 2 * (8 * 8 * 5) * (3 * 3 * 3)
    assert uncounted(jax.make_jaxpr(convolve)(x, k)) == 0


class Silent:
    """A compiled program of a backend that tells nothing."""

    def cost_analysis(self):
        raise NotImplementedError

    def memory_analysis(self):
        return None


def test_a_backend_that_tells_nothing_costs_nothing_to_ask():
    assert cost(Silent(), jax.make_jaxpr(lambda x: x)(1.0)) == Cost(None, None)


def test_costs_reach_the_rows(tmp_path):
    study = fd.Study(
        task="classification",
        data="digits",
        model="logistic",
        optimizer={"name": "sgd", "learning_rate": 0.1},
        train={"steps": 4, "batch_size": 16, "eval_every": 4},
        repeat=2,
    )
    runs = fd.run(study, out=tmp_path / "s", workers=1, observe=lambda status: None).runs
    assert (runs["flops"] > 1e4).all()
    assert (runs["memory"] > 1e4).all()
    assert runs["flops"].nunique() == runs["memory"].nunique() == 1
