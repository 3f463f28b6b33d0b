"""One run with its looks at the data: curves, the best step, divergence, and being left off."""

import jax
import numpy as np
import optax
import pytest

from funcdl.data.load import make_data
from funcdl.data.order import indices
from funcdl.execute import resume
from funcdl.execute.messages import Job
from funcdl.execute.programs import compile_program
from funcdl.execute.runner import Saved, Stopped, Watch, run_job
from funcdl.models.make import make_model
from funcdl.plan.recipe import cut
from funcdl.train.streams import STREAMS, stream_keys

DATA = make_data("digits")
TRAIN = jax.device_put(DATA.train)


def job(rate: float, steps: int = 12, at: str = "final", every: int = 4) -> Job:
    recipe = {
        "task": {"name": "classification", "label_smoothing": 0.0},
        "model": {"name": "logistic"},
        "optimizer": {"name": "sgd", "learning_rate": rate, "momentum": None, "nesterov": False},
        "train": {
            "steps": steps,
            "batch_size": 16,
            "accumulate": 1,
            "compute_dtype": "float32",
            "matmul_precision": None,
            "remat": False,
            "mc_passes": 0,
            "schedule": {"name": "constant", "warmup": 0.0},
            "clip_norm": None,
            "clip_value": None,
            "weight_decay": 0.0,
        },
    }
    static, hyper = cut(recipe)
    streams: dict[str, int] = dict.fromkeys(STREAMS, 0)
    select = ("validation/loss", "min", at)
    return Job(
        "id", "p", static, hyper, DATA.digest, 0, "measure", streams, steps, every, True, select
    )


@pytest.fixture(scope="module")
def program():
    one = job(0.1)
    assert one.static is not None
    return compile_program(one.static, DATA, TRAIN, one.hyper)[0]


def test_the_training_loss_is_the_mean_since_the_last_look(program):
    result = run_job(job(0.1), program, DATA, TRAIN)
    keys, model = stream_keys(0, "measure", 0), make_model("logistic", 10)
    params = model.init(keys["init"], DATA.train.inputs[:1])["params"]

    @jax.jit
    def step(params, i):
        chosen = indices(keys["order"], i, n=len(DATA.train.targets), batch_size=16)

        def loss(params):
            logits, _ = model.apply({"params": params}, TRAIN.inputs[chosen], train=True, rngs={})
            labels = TRAIN.targets[chosen]
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        value, grads = jax.value_and_grad(loss)(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), value

    losses = []
    for i in range(12):
        params, value = step(params, i)
        losses.append(float(value))
    expected = np.reshape(losses, (3, 4)).mean(1)
    curve = result.curves["train/loss"]
    assert curve.steps.tolist() == [4, 8, 12]
    np.testing.assert_allclose(curve.values, expected, rtol=1e-4)


def test_at_best_reports_the_step_that_validation_likes_best(program):
    """A rate so large that the loss rises again: the best step is not the last."""
    last = run_job(job(3.0, steps=36), program, DATA, TRAIN)
    best = run_job(job(3.0, steps=36, at="best"), program, DATA, TRAIN)
    curve = best.curves["validation/loss"]
    place = int(np.argmin(curve.values))
    assert place < len(curve.values) - 1, "choose a worse rate for this test"
    assert best.final["validation/loss"] == curve.values[place]
    assert last.final["validation/loss"] == curve.values[-1]
    early = run_job(job(3.0, steps=int(curve.steps[place])), program, DATA, TRAIN)
    assert best.final["test/loss"] == early.final["test/loss"]
    np.testing.assert_array_equal(best.examples["test/loss"], early.examples["test/loss"])


@pytest.mark.parametrize("rate", [0.1, 1e12, 1e38])
@pytest.mark.parametrize("at", ["final", "best"])
@pytest.mark.parametrize("every", [1, 4])
def test_a_run_left_off_anywhere_ends_the_same(program, tmp_path, rate, at, every):
    """Also one that diverges, whether a step or a look finds it out."""
    whole = run_job(job(rate, at=at, every=every), program, DATA, TRAIN)
    for left_off_at in (1, 2, 3):
        beats = 0

        def beat(saves, now, steps, last=left_off_at):
            nonlocal beats
            beats += 1
            if beats == last:
                ((_, left),) = saves()
                resume.save(tmp_path, "id", left.state, left.progress)
                raise Stopped

        with pytest.raises(Stopped):
            run_job(job(rate, at=at, every=every), program, DATA, TRAIN, watch=Watch(beat))
        one = job(rate, at=at, every=every)
        hyper = {k: np.float32(v) for k, v in one.hyper.items()}
        template = program.init(stream_keys(0, "measure", 0), hyper, TRAIN)
        saved = resume.restore(tmp_path, "id", template, lambda *a, **k: None)
        assert isinstance(saved, Saved)
        again = run_job(one, program, DATA, TRAIN, saved=saved)
        assert (again.status, again.steps, again.diverged_at, again.digest) == (
            whole.status,
            whole.steps,
            whole.diverged_at,
            whole.digest,
        )
        assert again.final == whole.final
        for name, curve in whole.curves.items():
            np.testing.assert_array_equal(again.curves[name].values, curve.values)
        if whole.status == "diverged":
            break  # it beats only once or twice
