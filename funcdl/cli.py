"""The command line: verbs, their options, and how each kind of end is told.

Exit status: 0 when the study is complete (a diverged run is a result), 1 when runs failed or could
not be reproduced, 2 for bad input, 3 when every run diverged, 128 + n after signal n.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from funcdl.errors import DamageWarning, FuncdlError

OK, RUNS_FAILED, BAD_INPUT, ALL_DIVERGED = 0, 1, 2, 3
NOT_REPRODUCED = 1

app = typer.Typer(
    name="funcdl",
    help="Compare optimizers and architectures in JAX: one YAML file to a tested table.",
    no_args_is_help=True,
    rich_markup_mode=None,  # usage errors are plain lines, as all others are
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Upload(enum.StrEnum):
    """What Weights & Biases does with runs."""

    offline = "offline"
    online = "online"


Config = Annotated[Path, typer.Argument(help="A study's YAML file.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, such as train.steps=50."),
]
Variant = Annotated[str | None, typer.Option(help="Apply one of the config's variants.")]
Out = Annotated[Path | None, typer.Option(help="The study's folder [runs/NAME].")]
Folder = Annotated[Path, typer.Argument(help="A study's folder, such as runs/quickstart.")]


@app.command()
def run(
    config: Config,
    overrides: Overrides = None,
    variant: Variant = None,
    out: Out = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Worker processes, 0 for none [as cores and memory allow]."),
    ] = None,
    checkpoint_every: Annotated[
        float, typer.Option(min=0, help="Seconds between two checkpoints of a run.")
    ] = 30.0,
    tensorboard: Annotated[
        Path | None,
        typer.Option(help="Write runs for TensorBoard, as they happen, to this folder."),
    ] = None,
    wandb: Annotated[
        Upload | None,
        typer.Option(help="Write runs for Weights & Biases, as they happen."),
    ] = None,
) -> None:
    """Run a study, or what is missing of it, and write its report."""
    from funcdl import config as configs

    study = configs.load(config, overrides or (), variant)
    trackers = _trackers(tensorboard, wandb)
    from funcdl.execute.early import started_early
    from funcdl.execute.interrupt import Interrupted

    folder = out or Path("runs") / study.name
    try:
        with started_early(folder, workers, checkpoint_every, study.threads):
            from funcdl import api  # after the config, so that its errors come at once

            results = api.run(
                study,
                out=folder,
                workers=workers,
                checkpoint_every=checkpoint_every,
                command=shlex.join(["funcdl", *sys.argv[1:]]),
                track=trackers,
            )
    except Interrupted as error:
        print(f"{error}; run the same command again to go on", file=sys.stderr)
        raise typer.Exit(128 + error.signum) from None
    _show(results)
    raise typer.Exit(exit_status(Counter(results.runs["status"])))


@app.command()
def plan(
    config: Config, overrides: Overrides = None, variant: Variant = None, out: Out = None
) -> None:
    """Print what a study would run, and run nothing."""
    from funcdl import config as configs

    study = configs.load(config, overrides or (), variant)
    from funcdl.overview import describe  # after the config, so that its errors come at once

    say(describe(study, out or Path("runs") / study.name))


@app.command(name="list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="models, optimizers, data, tasks, schedules, augmentations, metrics, samplers or baselines."
        ),
    ] = None,
) -> None:
    """Show every name a config may use, with its arguments and defaults."""
    from funcdl.catalogue import listing

    say(listing(kind))


@app.command()
def schema() -> None:
    """Print the JSON schema of a config, for editors."""
    from funcdl.config.schema import json_schema

    say(json.dumps(json_schema(), indent=1))


@app.command()
def report(folder: Folder) -> None:
    """Make a study's report again, from what is stored."""
    from funcdl import api

    _show(api.report(folder))


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(help="Two or more studies' folders.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write the joined report to OUT/report [write nothing].")
    ] = None,
) -> None:
    """Join studies of several people or machines into one answer; their folders are only read."""
    from funcdl.merging.compare import compare as join

    found = join(folders, out=out, command=shlex.join(["funcdl", *sys.argv[1:]]))
    _show(found, written=out is not None)
    for note in found.question.notes:
        say(printable(note))
    raise typer.Exit(OK if found.reproduced else NOT_REPRODUCED)


@app.command()
def verify(
    folder: Folder,
    runs: Annotated[int | None, typer.Option(min=1, help="How many runs, by lot [all].")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Worker processes [as cores and memory allow].")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="What the lots are drawn with.")] = 0,
) -> None:
    """Do runs of a study again, from its own record, and compare every bit; change nothing."""
    from funcdl.execute.interrupt import Interrupted
    from funcdl.verification.verify import verify as do_again

    try:
        found = do_again(folder, runs=runs, workers=workers, seed=seed)
    except Interrupted as error:
        print(f"{error}; nothing was changed", file=sys.stderr)
        raise typer.Exit(128 + error.signum) from None
    say(printable(str(found)))
    raise typer.Exit(OK if found.equal else NOT_REPRODUCED)


def _trackers(tensorboard: Path | None, wandb: str | None) -> list[Any]:
    """The trackers that were asked for, once it is sure that they can work."""
    found: list[Any] = []
    if tensorboard is not None:
        from funcdl.tracking.tensorboard import TensorBoard

        found.append(TensorBoard(tensorboard))
    if wandb is not None:
        from funcdl.tracking.wandb import Wandb

        found.append(Wandb(wandb))
    for tracker in found:
        tracker.check()
    return found


def exit_status(counts: Mapping[str, int]) -> int:
    """The exit status of a study from its runs' statuses.

    >>> exit_status({"ok": 100, "diverged": 3}), exit_status({"diverged": 8}), exit_status({"failed": 1})
    (0, 3, 1)
    """
    if counts.get("failed"):
        return RUNS_FAILED
    return OK if counts.get("ok") or not counts.get("diverged") else ALL_DIVERGED


def main() -> None:
    """Runs the command line; errors are one line each on standard error, without markup."""
    warnings.showwarning = _told
    try:
        app()
    except FuncdlError as error:
        print(printable(str(error)), file=sys.stderr)
        sys.exit(BAD_INPUT)
    except OSError as error:
        print(f"{error.filename or 'standard output'}: {error.strerror}", file=sys.stderr)
        sys.exit(BAD_INPUT)


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Lets whoever reads our output leave early, as `head` does; what was done is done."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python must not complain either when it closes its output at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(message: Warning | str, category: type[Warning], *place: Any) -> None:
    """A warning as one plain line; where in the code it came from helps nobody here."""
    kind = "" if issubclass(category, DamageWarning) else f"{category.__name__}: "
    print(printable(f"{kind}{message}"), file=sys.stderr)


def printable(text: str) -> str:
    """Text with control characters made visible, so that no name can steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def _show(results: Any, *, written: bool = True) -> None:
    from funcdl.report import show
    from funcdl.report.answer import answer

    with reader_may_leave():
        show(results.question, answer(results.material))
        if written:
            print(f"\nReport: {results.folder / 'report' / 'index.html'}")


def say(text: str) -> None:
    """Prints to standard output."""
    with reader_may_leave():
        print(text)
