"""Data sets of TensorFlow Datasets, read by their own library, without TensorFlow."""

from __future__ import annotations

import contextlib
import difflib
import glob
import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from funcdl.data.files.pair import Column, from_pair
from funcdl.errors import DataError
from funcdl.types import Dataset

_INFO, _FEATURES = "dataset_info.json", "features.json"


def tfds(
    *,
    path: str,
    folder: str = "",
    part: str = "train",
    x: str = "",
    y: str = "",
    unit: Literal["words", "characters"] = "words",
    size: int = 10_000,
    length: int = 128,
    split: Mapping[str, Any] = {"by": "stratified", "test": 0.2, "validation": 0.2, "seed": 0},
) -> Dataset:
    """Loads two features with the library `tensorflow_datasets`, from files that need no TensorFlow.

    A data set that has a name is prepared by the library's own code for it, which may download it, and
    for some needs TensorFlow. One that lies in a folder is read with what is written there alone.

    Args:
      path: a folder that holds a prepared data set (with `dataset_info.json`), such as
        "saved/mnist/3.0.1"; or a name, such as "mnist" or "glue/sst2:2.0.0", with the configuration and
        the version if there are several.
      folder: where data sets with names lie; empty: where the library keeps them, which is
        `~/tensorflow_datasets`, or the environment's TFDS_DATA_DIR.
      part: which part of it is loaded, and then split by `split`; `train+test` joins two, and
        `train[:1000]` cuts, as the library has it.
      x: the feature of inputs: texts, pictures of one size, or arrays of one shape; empty: the one that
        the data set itself names (its `supervised_keys`).
      y: the feature of targets: labels, text, whole numbers from 0, or numbers; empty: likewise.
      unit: of texts: what a token is.
      size: of texts: ids in the vocabulary, which is that of the training split.
      length: of texts: tokens; see `funcdl.data.files.text.text`.
      split: see `funcdl.data.split.split`; by group, equal inputs stay together.

    Returns:
      A `Dataset` with inputs int32 `[n, length]` of texts, or float32 or int32 `[n, ...]`.

    Raises:
      DataError: if `tensorflow_datasets` is missing, the data cannot be had, or do not fit.
    """
    with _quietly():
        source = _source(path, folder, part)
        features = source.dataset_info.features
        x, y = _named(path, source.dataset_info.supervised_keys, x, y)
        for key, name in (("x", x), ("y", y)):
            if name not in features:
                raise DataError(
                    f"{path} has no feature {name!r}; it has {', '.join(sorted(features))}: set data.{key}"
                )
        inputs, targets = _values(path, source, x, y)
    names = getattr(features[y], "names", None) or ()
    return from_pair(
        path,
        Column(x, inputs),
        Column(y, targets, tuple(map(str, names))),
        unit=unit,
        size=size,
        length=length,
        split=split,
        resize="prepare it with examples of one shape",
    )


def _source(path: str, folder: str, part: str) -> Any:
    """The examples of a part, in the order in which they are stored."""
    try:
        import tensorflow_datasets as library
    except ImportError as error:
        raise DataError(
            "this is read by the library tensorflow_datasets: pip install 'funcdl[tfds]'"
        ) from error
    try:
        if os.path.isdir(path):
            _check_folder(path)
            builder = library.builder_from_directory(path)
        else:
            _check_features(_prepared(path, folder))
            builder = library.builder(path, data_dir=folder or None)
            if not builder.is_prepared():
                builder.download_and_prepare(file_format="array_record")
    except DataError:
        raise
    except library.core.registered.DatasetNotFoundError as error:  # type: ignore[attr-defined]
        raise DataError(_unknown(library, path, folder)) from error
    except Exception as error:  # the library raises what its many parts do
        if "Parsing builder name" in str(error):  # such as a folder that is not there
            raise DataError(_unknown(library, path, folder)) from error
        raise DataError(_explained(path, error)) from error
    return _part(path, builder, part)


def _part(path: str, builder: Any, part: str) -> Any:
    try:
        return builder.as_data_source(split=part)
    except NotImplementedError as error:
        raise DataError(
            f"{path} is stored as {builder.info.file_format.value}, which TensorFlow alone reads; prepare it "
            "again with download_and_prepare(file_format='array_record')"
        ) from error
    except ValueError as error:
        known = ", ".join(map(str, builder.info.splits))
        raise DataError(
            f"{path} has no part {part!r}; it has {known}: set data.part ({_said(error)})"
        ) from error
    except Exception as error:
        raise DataError(_explained(path, error)) from error


def _check_folder(path: str) -> None:
    if not os.path.isfile(os.path.join(path, _INFO)):
        inside = _below(path, _INFO)
        better = f"; {os.path.dirname(inside[0])} has one" if inside else ""
        raise DataError(
            f"{path} is no prepared data set: it has no {_INFO}{better}: set data.path to the folder "
            "of a version"
        )
    _check_features([path])


def _prepared(name: str, folder: str) -> list[str]:
    """The folders of what is prepared of a data set, whatever its configuration and version."""
    first = name.replace(":", "/").split("/")[0]
    return [
        os.path.dirname(found) for found in _below(os.path.join(_home(folder), first), _FEATURES)
    ]


def _home(folder: str) -> str:
    """Where data sets with names lie."""
    return folder or os.environ.get("TFDS_DATA_DIR") or os.path.expanduser("~/tensorflow_datasets")


def _below(folder: str, name: str) -> list[str]:
    """Files of a name, up to the depth of data set, configuration and version."""
    start = os.path.join(glob.escape(folder), "")
    return sorted(
        found for depth in range(4) for found in glob.glob(start + ("*" + os.sep) * depth + name)
    )


def _check_features(folders: Sequence[str]) -> None:
    """Features are of the library: another name of a class would have it import any module."""
    for folder in folders:
        path = os.path.join(folder, _FEATURES)
        try:
            with open(path, encoding="utf-8") as stream:
                written = json.load(stream)
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(
                f"{path} cannot be read: {error}; prepare the data set again"
            ) from error
        for name in _classes(written):
            if not name.startswith("tensorflow_datasets."):
                raise DataError(
                    f"{path} names the class {name!r}; read are features of tensorflow_datasets alone, since "
                    "nothing else is imported for a file: prepare the data set with these"
                )


def _classes(written: Any) -> Iterator[str]:
    waiting = [written]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found = (one.get(key) for key in ("pythonClassName", "python_class_name", "type"))
            yield from (name for name in found if isinstance(name, str))
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _named(path: str, keys: Any, x: str, y: str) -> tuple[str, str]:
    """The features of inputs and targets: as asked, or else as the data set has them."""
    if x and y:
        return x, y
    if not isinstance(keys, tuple) or not all(isinstance(key, str) for key in keys[:2]):
        raise DataError(f"{path} does not say what is learnt from what: set data.x and data.y")
    return x or keys[0], y or keys[1]


def _values(path: str, source: Any, x: str, y: str) -> tuple[list[Any], list[Any]]:
    inputs, targets = [], []
    try:
        for example in source:
            inputs.append(_value(example[x]))
            targets.append(_value(example[y]))
    except Exception as error:  # what is damaged, and what only TensorFlow can decode
        raise DataError(_explained(f"{path}, example {len(targets)}", error)) from error
    return inputs, targets


def _value(one: Any) -> Any:
    return one.decode() if isinstance(one, bytes) else one


def _unknown(library: Any, name: str, folder: str) -> str:
    known = library.list_builders(with_community_datasets=False)
    near = difflib.get_close_matches(name.replace(":", "/").split("/")[0], known)
    there = [os.path.relpath(found, _home(folder)) for found in _prepared(name, folder)] + near
    return (
        f"{name!r} is no folder in {os.getcwd()}, is not prepared in {_home(folder)} "
        f"(data.folder), and is no name that tensorflow_datasets knows"
        + (f"; there are {', '.join(there)}" if there else "")
    )


def _explained(path: str, error: Exception) -> str:
    said = _said(error)
    if "No module named 'tensorflow'" in said:
        return (
            f"{path} needs TensorFlow to be prepared: do that where it is installed, with "
            "download_and_prepare(file_format='array_record'), and give the folder as data.path"
        )
    return f"{path} could not be loaded by tensorflow_datasets: {said} ({type(error).__name__})"


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """What the library says of itself is no error and no part of a program's output."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
