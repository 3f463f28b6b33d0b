"""Folders of finished studies that never ran, for the tests of joining."""

import hashlib
import json
from pathlib import Path

import numpy as np

from funcdl.plan_json import write_record
from funcdl.report.question import Question, Search
from funcdl.store.environments import remember_environment
from funcdl.store.log import log_event
from funcdl.store.manifest import write_manifest
from funcdl.store.parts import write_part
from funcdl.store.row import Row, to_table
from funcdl.store.sealed import write_sealed

STREAMS = ("init", "order", "dropout", "augment")
DATA = hashlib.sha256(b"digits").hexdigest()
EXAMPLES = 200
MACHINE = {"funcdl": "0.1.0", "jax": "0.10.2", "processor": "one", "backend": "cpu", "x64": "false"}
TRAIN = {"steps": 40, "compute_dtype": "float32", "matmul_precision": None}
CONFIG = "name: {name}\nseed: {seed}\nthreads: 1\nmesh: null\nselect: {{metric: x, at: final}}\n"


def study(
    place: Path,
    methods=("sgd", "adamw"),
    *,
    seed=0,
    repeats=5,
    noise=0.01,
    shift=0.0,
    recipes=None,
    machine=None,
    train=None,
    data=DATA,
    facts=None,
    examples=True,
    finished=True,
    diverged=(),
    name="study",
    config=CONFIG,
    **asked,
) -> Path:
    """A study whose runs' numbers follow from seed, method and repeat.

    `noise` is added by the machine, `shift` moves every score.
    """
    place.mkdir(parents=True)
    (place / "runs").mkdir()
    environment = remember_environment(place, {**MACHINE, **(machine or {})})
    rows = []
    for label in methods:
        recipe = {"task": {"name": "classification"}, "data": {"name": "digits"}}
        recipe |= {"optimizer": {"name": label.partition("*")[0]}, "train": TRAIN | (train or {})}
        recipe |= (recipes or {}).get(label, {})
        text = json.dumps(recipe, sort_keys=True)
        for repeat in range(repeats):
            key = f"{text} {data} {seed} {repeat}"
            rng = np.random.default_rng(list(hashlib.sha256(key.encode()).digest()))
            p = 0.8 + shift + noise * rng.normal()
            hits = (rng.random(EXAMPLES) < p).astype(np.float32)
            lost = (label, repeat) in diverged
            final = {"validation/accuracy": float(p), "test/accuracy": float(hits.mean())}
            rows.append(
                Row(
                    id=hashlib.sha256(key.encode()).hexdigest()[:40],
                    block="",
                    method=label,
                    compare={"optimizer": label},
                    phase="measure",
                    trial=0,
                    repeat=repeat,
                    tuned={},
                    recipe=text,
                    status="diverged" if lost else "ok",
                    reason="",
                    steps=40,
                    diverged_at=7 if lost else -1,
                    digest=hashlib.sha256(f"{key} {shift} {noise}".encode()).hexdigest(),
                    final={} if lost else final,
                    curves={},
                    examples={"test/accuracy": hits} if examples and not lost else {},
                    parameters=10,
                    program="p" * 16,
                    environment=environment,
                    seconds=0.1,
                    data_digest=data,
                )
            )
    write_part(place / "runs", to_table(rows))
    question = Question(
        name=name,
        command="funcdl run study.yaml",
        config_text=config.format(name=name, seed=seed),
        metric="test/accuracy",
        selected_by="validation/accuracy",
        mode="max",
        methods=tuple(("", label) for label in methods),
        contrasts=tuple(("", a, b) for i, a in enumerate(methods) for b in methods[i + 1 :]),
        repeats=repeats,
        vary=STREAMS,
        searches={("", label): Search({"name": label}, "rest", {}, 0) for label in methods},
        shares={("", label): 0.25 for label in methods},
    )._replace(**asked)
    known = {"seed": seed, "code": "c0de", "mode": "each", "lanes": {"asked": None, "widths": {}}}
    (place / "study.yaml").write_text(question.config_text)
    write_sealed(place / "plan.json", write_record(question, {**known, **(facts or {})}))
    log_event(place, "started")
    if finished:
        log_event(place, "finished")
    write_manifest(place, ())
    return place
