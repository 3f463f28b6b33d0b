"""Config files as a whole: every mistake at its line, layers, and studies made in Python."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from funcdl.config import Study, expand, load, to_yaml
from funcdl.config.fields import Tune
from funcdl.config.samplers import SAMPLERS
from funcdl.errors import StudyError

QUICKSTART = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
SGD = {"name": "sgd", "learning_rate": 0.1}
BASE = {"task": "classification", "data": "digits", "model": "mlp", "optimizer": SGD}

# (word of the quickstart, its line, misspelt) -> (key, suggestion); None where a message does
# not suggest because the words are too different.
TYPOS = [
    ("name:", 3, "nmae:", "nmae", "name"),
    ("task", 4, "taks", "taks", "task"),
    ("classification", 4, "clasification", "task", "classification"),
    ("data", 5, "dtaa", "dtaa", "data"),
    ("digits", 5, "digit", "data", "digits"),
    ("train", 6, "trian", "trian", "train"),
    ("steps", 6, "stpes", "train.stpes", "steps"),
    ("batch_size", 6, "batchsize", "train.batchsize", "batch_size"),
    ("eval_every", 6, "evaluate_every", "train.evaluate_every", "eval_every"),
    ("schedule", 6, "scheduler", "train.scheduler", "schedule"),
    ("name", 6, "nme", "train.schedule", None),
    ("cosine", 6, "cosin", "train.schedule.name", "cosine"),
    ("warmup", 6, "warm_up", "train.schedule.warm_up", "warmup"),
    ("compare", 7, "comapre", "comapre", "compare"),
    ("model", 8, "modle", "compare.modle", "model"),
    ("logistic", 8, "logistics", "compare.model[0]", "logistic"),
    ("mlp", 8, "mpl", "compare.model[1].name", "mlp"),
    ("hidden", 8, "hiden", "compare.model[1].hiden", "hidden"),
    ("cnn", 8, "cn", "compare.model[2].name", "cnn"),
    ("channels", 8, "chanels", "compare.model[2].chanels", "channels"),
    ("optimizer", 9, "optimiser", "compare.optimiser", "optimizer"),
    ("sgd", 9, "sdg", "compare.optimizer[0].name", "sgd"),
    ("momentum", 9, "momentom", "compare.optimizer[0].momentom", "momentum"),
    ("adamw", 9, "adanw", "compare.optimizer[1]", "adamw"),
    ("lion", 9, "loin", "compare.optimizer[2]", "lion"),
    ("tune", 10, "tnue", "tnue", "tune"),
    ("learning_rate", 11, "lerning_rate", "tune.optimizer.lerning_rate", "optimizer.learning_rate"),
    ("log_uniform", 11, "loguniform", "tune.optimizer.learning_rate.loguniform", "log_uniform"),
    ("trials", 12, "trails", "tune.trails", "trials"),
    ("sampler", 13, "smapler", "tune.smapler", "sampler"),
    ("halton", 13, "hlaton", "tune.sampler", "halton"),
    ("repeat", 14, "repeats", "repeats", "repeat"),
    ("select", 15, "slect", "slect", "select"),
    ("validation", 15, "validaton", "select", "validation/accuracy"),
    ("accuracy", 15, "acuracy", "select", "validation/accuracy"),
]


def write(folder: Path, text: str, name: str = "study.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(path, overrides=(), variant=None) -> list[str]:
    with pytest.raises(StudyError) as caught:
        load(path, overrides, variant)
    return [line.removeprefix(f"{path.parent}/") for line in str(caught.value).split("\n")]


def test_every_word_of_the_quickstart_is_tried():
    """Each word of the file is either misspelt below, or a number, or free text."""
    text = re.sub(r"#.*", "", QUICKSTART.read_text())
    words = set(re.findall(r"[a-z_]{2,}", text)) - {"quickstart"}
    assert words == {word.strip(":") for word, *_ in TYPOS}


@pytest.mark.parametrize(("word", "line", "typo", "key", "meant"), TYPOS)
def test_a_typo_is_reported_once_at_its_line_with_what_was_meant(
    word, line, typo, key, meant, tmp_path
):
    lines = QUICKSTART.read_text().split("\n")
    assert word in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(word, typo, 1)
    (found,) = problems(write(tmp_path, "\n".join(lines)))
    assert found.startswith(f"study.yaml:{line}: {key}: ")
    assert "allowed " in found
    if meant is not None:
        (near,) = re.findall("did you mean ([^;]*);", found)
        assert meant in near.split(" or ")


def test_a_typo_above_a_list_of_spaces_is_reported_once(tmp_path):
    text = QUICKSTART.read_text().replace(
        "optimizer.learning_rate: {log_uniform: [1.0e-4, 1.0]}",
        "optimizer.lerning_rate:\n    - {when: {optimizer: sgd}, log_uniform: [1.0e-3, 1.0]}\n"
        "    - {log_uniform: [1.0e-5, 0.1]}",
    )
    (found,) = problems(write(tmp_path, text))
    assert found.startswith("study.yaml:11: tune.optimizer.lerning_rate: unknown key")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("steps: 400", "steps: .nan", "study.yaml:6: train.steps: '.nan' is not a finite number"),
        ("data: digits", "data: *x", "study.yaml:5: data: an alias ('x'); write the value out"),
        ("data: digits", "---\ndata: digits", "study.yaml:5: a second document; a config is one"),
        ("  trials: 8", "  trials:\n", None),
    ],
)
def test_what_cannot_be_read_is_reported_once(old, new, expected, tmp_path):
    """Not also as missing, or as a null that nobody wrote."""
    path = write(tmp_path, QUICKSTART.read_text().replace(old, new, 1))
    if expected is None:
        load(path)  # an empty value leaves a default
    else:
        (found,) = problems(path)
        assert found.startswith(expected)


@pytest.mark.parametrize("value", ["[]", "[[1]]", "{a: {b: 1}}", "3"])
@pytest.mark.parametrize("key", ["task", "data", "model", "train.schedule", "train.unlabelled"])
def test_what_is_no_name_is_refused_without_a_traceback(key, value, tmp_path):
    for word in (f"{key}={value}", f"{key}={{name: {value}}}"):
        for found in problems(write(tmp_path, QUICKSTART.read_text()), [word]):
            assert found.startswith(("command line: ", "study.yaml:"))


def test_all_mistakes_are_reported_at_once_in_the_order_of_lines(tmp_path):
    text = QUICKSTART.read_text()
    for word in ("digits\n", "momentum", "trials", "hidden", "accuracy"):
        text = text.replace(word, "x" + word, 1)
    text = text.replace("steps: 400", "steps: true") + "seed: -1\nname: again\n"
    found = problems(write(tmp_path, text))
    keys = [
        (3, "name"),
        (5, "data"),
        (6, "train.steps"),
        (8, "compare.model[1].xhidden"),
        (9, "compare.optimizer[0].xmomentum"),
        (12, "tune.xtrials"),
        (15, "select"),
        (16, "seed"),
        (17, "name"),
    ]
    assert [(int(f.split(":")[1]), f.split(": ")[1]) for f in found] == keys[1:]
    assert "lines 3 and 17" in found[-1]


def test_the_quickstart_is_nine_methods():
    found = expand(load(QUICKSTART))
    assert len(found.methods) == 9
    assert len(found.contrasts) == 36
    assert found.runs == 9 * (8 + 5)
    method = found.methods[3]
    assert method.label == "mlp/sgd"
    assert method.recipe["train"] == {
        "steps": 400,
        "batch_size": 64,
        "eval_every": 50,
        "schedule": {"name": "cosine", "warmup": 0.1, "final": 0.0},
        "clip_norm": None,
        "clip_value": None,
        "weight_decay": 0.0,
        "accumulate": 1,
        "compute_dtype": "float32",
        "matmul_precision": None,
        "remat": False,
        "stream": "auto",
        "augment": [],
        "mc_passes": 0,
    }


def test_an_error_costs_no_import_of_jax(tmp_path):
    path = write(tmp_path, QUICKSTART.read_text().replace("momentum", "momentom"))
    code = (
        "import sys\nfrom funcdl.config import load\nfrom funcdl.errors import StudyError\n"
        f"try:\n    load({str(path)!r})\nexcept StudyError as error:\n    print(error)\n"
        "heavy = {'jax', 'flax', 'optax', 'pandas', 'scipy', 'sklearn', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "did you mean momentum" in done.stdout


WRONG_VALUES = [
    ("train.steps", "true", "true given; allowed a whole number"),
    ("train.steps", "1e3", "1000.0 given; allowed a whole number; write 1000"),
    ("train.steps", "1_000", "'1_000' given; allowed a whole number; write it without quotes"),
    ("train.steps", "0", "0 given; allowed at least 1"),
    ("train.steps", "-5", "-5 given; allowed at least 1"),
    ("train.steps", "99999999999", "allowed at most 1000000000"),
    ("train.steps", "[1]", "a list given; allowed a whole number"),
    ("train.steps", ".inf", "'.inf' is not a finite number"),
    ("train.eval_every", "2000", "2000 given; allowed at most train.steps, 1000"),
    ("train.accumulate", "3", "3 given; must divide train.batch_size, 64"),
    ("train.clip_norm", "0", "0 given; allowed greater than 0"),
    ("train.clip_norm", "'1'", "'1' given; allowed a number"),
    ("train.weight_decay", "-1", "-1 given; allowed at least 0"),
    ("train.compute_dtype", "bf16", "did you mean bfloat16; allowed float32, bfloat16"),
    ("train.compute_dtype", "float16", "unknown value 'float16'; did you mean "),
    (
        "train.matmul_precision",
        "best",
        "unknown value 'best'; did you mean highest; allowed default, high, highest",
    ),
    ("train.remat", "yes", "'yes' given; allowed true or false"),
    ("train.stream", "true", "unknown value true; allowed auto, always, never"),
    ("mode", "vamp", "unknown value 'vamp'; did you mean vmap; allowed auto, each, vmap"),
    ("width", "0", "0 given; allowed at least 1"),
    ("width", "2.5", "2.5 given; allowed a whole number"),
    ("threads", "0", "0 given; allowed at least 1"),
    ("mesh", "8", "8 given; allowed a mapping"),
    ("mesh.data", "0", "0 given; allowed at least 1"),
    ("mesh.model", "2", "unknown key 'model'; allowed data, fsdp"),
    ("tune", "{stop: 3}", "3 given; allowed true, or a mapping of eta, rungs, first"),
    ("tune", "{stop: {eta: 1}}", "1 given; allowed at least 2"),
    ("tune", "{stop: {rung: 1}}", "unknown key 'rung'; did you mean rungs"),
    ("tune.stop.first", "0", "0 given; allowed at least 1"),
    ("train.schedule", "cos", "unknown schedule 'cos'; did you mean cosine"),
    ("train.schedule", "{name: linear, warmup: 2}", "2 given; allowed a number at least 0 and at"),
    ("optimizer.learning_rate", "null", "null given; allowed a number greater than 0"),
    ("optimizer.learning_rate", "0", "0 given; allowed a number greater than 0"),
    ("optimizer.learning_rate", "-0.1", "-0.1 given; allowed a number greater than 0"),
    ("optimizer.learning_rate", "'0.1'", "write 0.1 without quotes or separators"),
    ("optimizer.learning_rate", "true", "true given; allowed a number greater than 0"),
    ("optimizer.learning_rate", "1e400", "'1e400' is not a finite number"),
    ("optimizer.learning_rate", "1" + "0" * 350, "is not a finite number"),
    ("optimizer.momentum", "[0.9]", "a list given; allowed a number, or null"),
    ("optimizer.nesterov", "yes", "'yes' given; allowed true or false; write true"),
    ("optimizer.nesterov", "1", "1 given; allowed true or false"),
    ("optimizer.accumulator_dtype", "bfloat16", "which only Python can give"),
    ("optimizer", "{learning_rate: 0.1, name: adam, b1: 1}", "1 given; allowed a number at least"),
    ("optimizer", "noisy_sdg", "did you mean noisy_sgd"),
    ("optimizer", "optax.sgd", "unknown optimizer 'optax.sgd'"),
    ("optimizer", "logging.os.system", "unknown optimizer 'logging.os.system'"),
    ("optimizer", "lookahead", "lookahead cannot be used by name: it wraps another optimizer"),
    ("optimizer", "'${oc.env:HOME}'", "unknown optimizer '${oc.env:HOME}'"),
    ("optimizer", "{_target_: os.system}", "unknown argument '_target_'"),
    ("model.hidden", "8", "8 given; allowed a list"),
    ("model.hidden", "[8, 0]", "0 given; allowed a whole number of at least 1"),
    ("model.hidden", "[8, 8.5]", "8.5 given; allowed a whole number of at least 1"),
    ("model.outputs", "10", "unknown argument 'outputs' of mlp; allowed hidden"),
    ("model.dropout", "1.0", "1.0 given; allowed a number at least 0 and less than 1"),
    ("model.activation", "rleu", "unknown value 'rleu'; did you mean relu"),
    ("data.split", "0.2", "must be a mapping of by, test, validation, seed"),
    ("data.split.by", "groups", "unknown value 'groups'; did you mean group"),
    ("data.split.test", "0", "0 given; allowed a number greater than 0"),
    ("data.splits", "1", "unknown argument 'splits' of digits; did you mean split"),
    ("task.label_smoothing", "1", "1 given; allowed a number at least 0 and less than 1"),
    ("seed", "-1", "-1 given; allowed at least 0"),
    ("seed", "4294967296", "4294967296 given; allowed at most 4294967295"),
    ("seed", "1.5", "1.5 given; allowed a whole number"),
    ("repeat", "0", "0 given; allowed at least 1"),
    ("repeat", "10001", "10001 given; allowed at most 10000"),
    ("repeat", "many", "'many' given; allowed a whole number"),
    ("repeat.max", "40", "max is given without until, which says when to stop; add until: decided"),
    ("repeat.until", "decided", "until is given without max, the most repeats it may come to"),
    ("repeat", "{count: 9, max: 8, until: decided}", "max is 8, but count is 9; allowed at least"),
    ("repeat", "{count: 1, max: 8, until: decided}", "count is 1, which decides nothing; allowed"),
    ("repeat", "{max: 10001, until: decided}", "10001 given; allowed at most 10000"),
    ("repeat.until", "bored", "unknown value 'bored'; allowed decided"),
    ("repeat", "{cross: {}}", "cross names no stream; write some, such as"),
    ("repeat", "{cross: {init: 1}}", "1 given; allowed at least 2"),
    ("repeat", "{cross: {init: 200, order: 200}}", "cross has 40000 combinations; allowed 10000"),
    ("repeat", "{cross: {seed: 5}}", "unknown value 'seed'; allowed init, order, dropout, augment"),
    ("repeat", "{cross: {init: 5}, count: 5}", "cross is given together with count; cross says"),
    (
        "repeat",
        "{cross: {init: 5}, vary: [init], max: 9, until: decided}",
        "cross is given together with max, until, vary",
    ),
    (
        "repeat.vary",
        "[init, data]",
        "unknown value 'data'; allowed init, order, dropout, augment, split",
    ),
    ("repeat.vary", "[]", "needs at least one value"),
    ("margin", "-0.1", "-0.1 given; allowed at least 0"),
    ("select.at", "last", "unknown value 'last'; did you mean best; allowed final, best"),
    ("select.mode", "maximum", "unknown value 'maximum'; did you mean max; allowed min, max"),
    ("tune", "{sampler: optuna}", "unknown value 'optuna'; allowed grid, random, halton, sobol"),
    ("tune", "{trials: 0}", "0 given; allowed at least 1"),
    ("tune", "5", "5 given; allowed a mapping"),
    (
        "tune.optimizer.momentum",
        "{uniform: [true, 1]}",
        "uniform takes [low, high], two numbers; given [true, 1]",
    ),
    ("tnue", "null", "unknown key 'tnue'; did you mean tune"),
    ("tune.sampelr", "null", "it is not there; did you mean sampler; allowed a value"),
    ("repeat.contu", "null", "unknown key 'contu'; did you mean count"),
    ("compare.model", "null", "null given to take it away, but it is not there; allowed a value"),
    ("compare", "[mlp]", "a list given; allowed a mapping"),
    ("baselines", "forest", "must be a mapping of labels to baselines, or a list of names"),
    ("baselines", "[random_forrest]", "did you mean random_forest"),
    ("baselines", "{f: {name: random_forest, trees: 3}}", "unknown argument 'trees'"),
    ("variants", "{quick: 3}", "3 given; allowed a mapping"),
    ("train", "fast", "'fast' given; allowed a mapping"),
    ("modle.hidden", "[8]", "unknown key 'modle'; did you mean mode or model"),
    (".steps", "3", "'.steps' is not a dotted key"),
]


@pytest.mark.parametrize(("key", "value", "expected"), WRONG_VALUES)
def test_wrong_values_are_refused(key, value, expected, tmp_path):
    text = "task: classification\ndata: digits\nmodel: mlp\noptimizer: {name: sgd, learning_rate: 0.1}\n"
    found = problems(write(tmp_path, text), [f"{key}={value}"])
    assert len(found) == 1
    assert found[0].startswith("command line: ")
    assert expected in found[0]
    assert len(found[0]) < 1500


def test_an_argument_of_one_model_is_no_argument_of_another(tmp_path):
    found = problems(write(tmp_path, QUICKSTART.read_text()), ["model.hidden=[8]"])
    assert found == [
        "command line: model.hidden: unknown argument 'hidden' of logistic; allowed none",
        "command line: model.hidden: unknown argument 'hidden' of cnn; "
        "allowed channels, kernel, pool, activation, dropout",
    ]


def test_the_samplers_are_those_that_there_are():
    assert get_args(Tune.model_fields["sampler"].annotation) == tuple(SAMPLERS)


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/abs",
        "a\\..\\b",
        "a/b",
        "%2e%2e%2f",
        ".",
        "..",
        "a..b",
        "CON",
        "nul.txt",
        "a" * 65,
        "a\nb",
        "a\n",
        "a\x00",
        "😀",
        "\u202ea",
        "-rf",
        ".hidden",
        "a b",
        "",
    ],
)
def test_a_name_is_safe_as_a_folder_on_every_system(name):
    with pytest.raises(StudyError, match=r"^name: is the name of a folder"):
        Study(**BASE, name=name)


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "a" * 64, "console"])
def test_ordinary_names_are_allowed(name):
    assert Study(**BASE, name=name).name == name


@pytest.mark.parametrize(
    ("file", "name"), [("my study.yaml", "my-study"), ("été.yaml", "t-"), ("con.yaml", "study")]
)
def test_a_study_is_called_after_its_file(file, name, tmp_path):
    text = to_yaml(Study(**BASE)).split("\n", 1)[1]
    assert load(write(tmp_path, text, file)).name == name


class TestLayers:
    """Base files, variants, the command line."""

    BASE = (
        "task: classification\ndata: digits\nmodel: {name: mlp, hidden: [8]}\n"
        "optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.9}\ntrain: {steps: 100}\n"
        "repeat: {count: 3, vary: [init]}\n"
        "variants:\n  quick: {train.steps: 10, repeat: 2}\n"
        "  other: {optimizer: {name: adamw, learning_rate: 0.2}}\n"
    )

    def recipe(self, path, *overrides, variant=None):
        return expand(load(path, overrides, variant)).methods[0].recipe

    def test_a_file_builds_upon_its_base(self, tmp_path):
        (tmp_path / "sub").mkdir()
        write(tmp_path, self.BASE, "common.yaml")
        write(tmp_path, "base: common.yaml\ntrain: {batch_size: 32}\n", "middle.yaml")
        path = write(
            tmp_path / "sub", "base: ../middle.yaml\noptimizer.momentum: 0.5\n", "top.yaml"
        )
        recipe = self.recipe(path)
        assert (recipe["train"]["steps"], recipe["train"]["batch_size"]) == (100, 32)
        assert recipe["optimizer"]["momentum"] == 0.5
        assert recipe["model"]["hidden"] == [8]

    def test_an_error_in_a_base_is_reported_there(self, tmp_path):
        write(tmp_path, self.BASE.replace("momentum", "momentom"), "common.yaml")
        path = write(tmp_path, "base: common.yaml\nsead: 3\n")
        found = problems(path)
        assert found[0].startswith("study.yaml:2: sead: unknown key")
        assert found[1].startswith("common.yaml:4: optimizer.momentom: unknown argument")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("base: study.yaml\n", "study.yaml:1: base: study.yaml is based on this file"),
            ("base: gone.yaml\n", "study.yaml:1: base: no such file"),
            ("base: [a]\n", "study.yaml:1: base: must be the path"),
        ],
    )
    def test_refused_bases(self, text, expected, tmp_path):
        assert problems(write(tmp_path, text + self.BASE))[0].startswith(expected)

    def test_a_circle_of_two_is_refused(self, tmp_path):
        write(tmp_path, "base: study.yaml\n", "other.yaml")
        found = problems(write(tmp_path, "base: other.yaml\n" + self.BASE))
        assert found == [
            "other.yaml:1: base: study.yaml is based on this file; break the circle",
        ]

    def test_arguments_do_not_leak_when_the_name_changes(self, tmp_path):
        path = write(tmp_path, self.BASE)
        for overrides in (
            ["optimizer={name: adamw, learning_rate: 0.2}"],
            ["optimizer.name=adamw", "optimizer.learning_rate=0.2"],
            ["optimizer.learning_rate=0.2", "optimizer=adamw"],
        ):
            optimizer = self.recipe(path, *overrides)["optimizer"]
            assert (optimizer["name"], optimizer["learning_rate"]) == ("adamw", 0.2)
            assert "momentum" not in optimizer
        assert self.recipe(path, variant="other")["optimizer"]["name"] == "adamw"

    def test_arguments_stay_when_the_name_does(self, tmp_path):
        path = write(tmp_path, self.BASE)
        for override in ("optimizer=sgd", "optimizer.nesterov=true", "optimizer.name=sgd"):
            assert self.recipe(path, override)["optimizer"]["momentum"] == 0.9

    def test_later_layers_win(self, tmp_path):
        path = write(tmp_path, self.BASE)
        study = load(path, ["train.steps=20"], "quick")
        assert study.train.steps == 20
        assert (study.repeat.count, study.repeat.vary) == (2, ["init"])
        assert load(path, ["train.steps=20", "train.steps=30"]).train.steps == 30

    def test_keys_with_dots_in_their_names(self, tmp_path):
        path = write(tmp_path, self.BASE)
        words = [
            "tune.optimizer.learning_rate={log_uniform: [0.1, 1]}",
            "compare.x={a: {model.hidden: [4]}, b: {model: logistic}}",
        ]
        methods = expand(load(path, words)).methods
        assert [m.label for m in methods] == ["a", "b"]
        assert list(methods[0].space) == ["optimizer.learning_rate"]
        # A deeper word changes a part of the axis, not all of it.
        write(tmp_path, f"base: study.yaml\n{words[1].replace('=', ': ', 1)}\n", "top.yaml")
        changed = load(tmp_path / "top.yaml", ["compare.x.a.model.hidden=[5]"])
        assert expand(changed).methods[0].recipe["model"]["hidden"] == [5]

    def test_null_takes_a_key_away(self, tmp_path):
        text = self.BASE + "tune: {optimizer.learning_rate: {uniform: [0.1, 1]}}\n"
        path = write(tmp_path, text)
        assert expand(load(path)).methods[0].space
        assert not expand(load(path, ["tune=null"])).methods[0].space
        assert not expand(load(path, ["tune.optimizer.learning_rate=null"])).methods[0].space
        labels = [
            m.label for m in expand(load(QUICKSTART, ["compare.model=null", "model=mlp"])).methods
        ]
        assert labels == ["sgd", "adamw", "lion"]

    @pytest.mark.parametrize(
        ("word", "expected"),
        [
            ("steps", "'steps'; write key=value"),
            ("=3", "'=3'; write key=value"),
            ("model=[", "not valid YAML"),
            ("model=!!python/name:os.system", "a tag"),
            ("model=&a mlp", "an anchor"),
        ],
    )
    def test_refused_words(self, word, expected, tmp_path):
        (found,) = problems(write(tmp_path, self.BASE), [word])
        assert found.startswith("command line: ")
        assert expected in found

    def test_an_unknown_variant(self, tmp_path):
        (found,) = problems(write(tmp_path, self.BASE), variant="quik")
        assert found.startswith("command line: --variant: unknown variant 'quik'; did you mean")

    def test_a_typo_in_a_variant_that_is_not_run_is_found(self, tmp_path):
        path = write(tmp_path, self.BASE.replace("{train.steps: 10,", "{train.stepz: 10,"))
        (found,) = problems(path)
        assert found.startswith("study.yaml:8: variants.quick.train.stepz: unknown key 'stepz'")

    def test_a_key_set_twice_in_one_layer(self, tmp_path):
        (found,) = problems(write(tmp_path, self.BASE + "train.steps: 5\n"))
        assert found.startswith("study.yaml:10: train.steps: set twice (")


class TestPython:
    """`Study(...)` with objects where a file has names."""

    def test_the_same_study_as_the_file(self):
        study = Study(
            name="quickstart",
            task="classification",
            data="digits",
            train={
                "steps": 400,
                "batch_size": 64,
                "eval_every": 50,
                "schedule": {"name": "cosine", "warmup": 0.1},
            },
            compare={
                "model": [
                    "logistic",
                    {"name": "mlp", "hidden": (64, 64)},
                    {"name": "cnn", "channels": [16, 32]},
                ],
                "optimizer": [{"name": "sgd", "momentum": 0.9}, "adamw", "lion"],
            },
            tune={
                "optimizer.learning_rate": {"log_uniform": [1e-4, 1.0]},
                "trials": 8,
                "sampler": "halton",
            },
            repeat=5,
            select="validation/accuracy",
        )
        assert expand(study) == expand(load(QUICKSTART))
        assert to_yaml(study) == to_yaml(load(QUICKSTART))

    def test_messages_are_the_files_without_the_place(self, tmp_path):
        path = write(tmp_path, to_yaml(Study(**BASE)).replace("momentum", "momentom"))
        with pytest.raises(StudyError) as caught:
            Study(**{**BASE, "optimizer": {**SGD, "momentom": 0.9}})
        assert problems(path)[0].split(": ", 1)[1] == str(caught.value)

    def test_a_function_as_an_optimizer(self):
        def mine(learning_rate: float, strength: float = 1.0):
            raise AssertionError("a config calls nothing")

        values = ["adamw", mine, {"name": mine, "strength": 2}, lambda: None]
        tune = {"optimizer.learning_rate": {"uniform": [0.1, 1]}}
        study = Study(**{**BASE, "optimizer": None}, compare={"optimizer": values}, tune=tune)
        methods = expand(study).methods
        assert [m.label for m in methods] == ["adamw", "mine", "mine(strength=2)", "lambda"]
        assert methods[1].recipe["optimizer"] == {
            "name": mine,
            "learning_rate": None,
            "strength": 1.0,
        }
        assert methods[2].recipe["optimizer"]["strength"] == 2.0
        assert not methods[3].space
        assert expand(study).notes == ("lambda: nothing to tune; it is measured as it is",)
        assert "<mine sha256:" in to_yaml(study)

    @pytest.mark.parametrize(
        ("optimizer", "expected"),
        [
            (
                {"strenght": 2, "learning_rate": 1.0},
                "unknown argument 'strenght' of mine; did you mean",
            ),
            ({"strength": "2", "learning_rate": 1.0}, "'2' given; allowed a number"),
            ({}, "optimizer.learning_rate: required by mine"),
            ({"learning_rate": lambda step: 0.1}, "a function given; allowed a number"),
        ],
    )
    def test_a_functions_arguments_are_checked(self, optimizer, expected):
        def mine(learning_rate: float, strength: float = 1.0):
            return learning_rate, strength

        with pytest.raises(StudyError) as caught:
            Study(**{**BASE, "optimizer": {"name": mine, **optimizer}})
        assert expected in str(caught.value)

    def test_arrays_as_data(self):
        inputs, targets = np.zeros((9, 2)), np.arange(9) % 3
        pair = {"name": (inputs, targets), "split": {"by": "order", "test": 3}}
        splits = {"train": (inputs, targets), "validation": (inputs, targets)}
        splits["test"] = (inputs, targets)
        study = Study(**{**BASE, "data": None}, across={"d": {"a": {"data": pair}}})
        (method,) = expand(study).methods
        assert method.recipe["data"]["name"][0] is inputs
        assert method.recipe["data"]["split"] == {
            "by": "order",
            "test": 3.0,
            "validation": 0.2,
            "seed": 0,
        }
        (method,) = expand(Study(**{**BASE, "data": splits})).methods
        assert method.recipe["data"]["name"] is splits
        with pytest.raises(StudyError, match="unknown argument 'split'"):
            Study(**{**BASE, "data": {"name": splits, "split": {"test": 3}}})

    def test_a_linen_module_as_a_model(self):
        import flax.linen as nn

        class Net(nn.Module):
            outputs: int
            width: int = 8

        values = [Net, {"name": Net, "width": 16}, Net(outputs=3), (len, max)]
        study = Study(**BASE, compare={"model": values})
        methods = expand(study).methods
        assert [m.label for m in methods] == ["Net", "Net(width=16)", "Net#2", "functions"]
        assert methods[1].recipe["model"] == {"name": Net, "width": 16}
        assert methods[2].recipe["model"] == {"name": values[2]}
        with pytest.raises(StudyError, match=r"model\.widht: .* did you mean width"):
            Study(**{**BASE, "model": {"name": Net, "widht": 16}})

    def test_numpy_numbers_are_numbers(self):
        study = Study(
            **{**BASE, "optimizer": {**SGD, "momentum": np.float64(0.5)}}, seed=np.int64(3)
        )
        assert study.seed == 3
        assert type(expand(study).methods[0].recipe["optimizer"]["momentum"]) is float

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
    def test_only_finite_numbers(self, value):
        with pytest.raises(StudyError, match=r"^optimizer\.learning_rate: .*not a finite number$"):
            Study(**{**BASE, "optimizer": {"name": "sgd", "learning_rate": value}})

    def test_only_known_keys(self):
        with pytest.raises(StudyError, match=r"^optimiser: unknown key 'optimiser'; did you mean"):
            Study(**BASE, optimiser="sgd")

    def test_what_is_missing(self):
        with pytest.raises(StudyError) as caught:
            Study()
        keys = [problem.key for problem in caught.value.problems]
        assert keys == ["task", "data", "model", "optimizer"]

    def test_a_study_travels_to_another_process(self):
        import cloudpickle

        study = Study(**{**BASE, "optimizer": lambda: None})
        copy = cloudpickle.loads(cloudpickle.dumps(study))
        assert to_yaml(copy) == to_yaml(study)


def test_the_resolved_study_reads_as_itself(tmp_path):
    """Every default is written out, and nothing changes by reading it again."""
    studies = [
        load(QUICKSTART),
        load(QUICKSTART, ["baselines=[majority]", "contrasts={against: majority}", "margin=0.1"]),
        load(QUICKSTART, ["compare.train.steps=[50, 100]", "train.eval_every=null"]),
        load(QUICKSTART, ["tune.optimizer.weight_decay={log_uniform: [0.01, 1]}"]),
        load(
            QUICKSTART,
            ["compare.optimizer=null", "compare.o={a: {optimizer: sgd, train.schedule: linear}}"],
        ),
        load(QUICKSTART, ["across={d: {x: {data.split.seed: 1}, y: {train.clip_norm: 1}}}"]),
        load(
            QUICKSTART,
            [
                "compare.model=[cnn, {name: mlp, label: '010'}, {name: mlp, hidden: [8], label: 'a: #'}]"
            ],
        ),
    ]
    for study in studies:
        text = to_yaml(study)
        again = load(write(tmp_path, text))
        assert to_yaml(again) == text
        before, after = expand(study), expand(again)
        assert before.methods == after.methods
        assert before[2:] == after[2:]
