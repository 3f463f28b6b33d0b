"""`plan.json`: the question a study asks, written from its plan, and read back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from funcdl.errors import StoreError
from funcdl.report.question import Holding, Question, Search
from funcdl.store.environments import read_environments
from funcdl.store.folder import FORMAT, Folder

_STARTED = "question.command"


def write_record(question: Question, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of `plan.json`: the question, and facts about the plan such as counts."""
    spaces = [
        {"block": block, "method": method, "space": dict(space)}
        for (block, method), space in question.spaces.items()
    ]
    shares = [
        {"block": block, "method": method, "share": share}
        for (block, method), share in question.shares.items()
    ]
    searches = [
        {"block": block, "method": method, **search._asdict()}
        for (block, method), search in question.searches.items()
    ]
    asked = question._asdict() | {"spaces": spaces, "shares": shares, "cross": dict(question.cross)}
    asked["searches"] = searches
    asked["holdings"] = [holding._asdict() for holding in question.holdings]
    derived = ("parameters", "environment", "apart", "doubts")  # of the runs, or of several studies
    for name in derived:
        del asked[name]
    study = hashlib.sha256(question.config_text.encode()).hexdigest()  # of study.yaml
    return {"format": FORMAT, "study": study, **facts, "question": asked}


def read_record(folder: Folder, rows: pa.Table | None) -> Question:
    """The question of a study's folder, with what its runs say about models and machines."""
    asked = folder.plan["question"]
    known = {key: asked[key] for key in Question._fields if key in asked}
    for key in ("methods", "contrasts"):
        known[key] = tuple(tuple(item) for item in known[key])
    for key in ("blocks", "tuned", "vary", "looks", "notes", "answered"):
        known[key] = tuple(known.get(key, ()))
    known["spaces"] = {(s["block"], s["method"]): s["space"] for s in known["spaces"]}
    known["shares"] = {(s["block"], s["method"]): s["share"] for s in known.get("shares", ())}
    known["searches"] = {
        (s["block"], s["method"]): Search(*(s[name] for name in Search._fields))
        for s in known.get("searches", ())
    }
    known["holdings"] = tuple(Holding(**one) for one in known.get("holdings", ()))
    return Question(**known)._replace(
        parameters=_parameters(rows), environment=_environment(folder, rows)
    )


def _parameters(rows: pa.Table | None) -> dict[tuple[str, str], int]:
    if rows is None:
        return {}
    columns = (rows[name].to_pylist() for name in ("block", "method", "parameters"))
    return {(block, method): count for block, method, count in zip(*columns, strict=True) if count}


def _environment(folder: Folder, rows: pa.Table | None) -> dict[str, str]:
    """Versions and machine; where runs were made under several, all values are named."""
    known = read_environments(folder.path)
    used = set(rows["environment"].to_pylist()) if rows is not None else set()
    merged: dict[str, list[str]] = {}
    for name, facts in known.items():
        if name in used:
            for key, value in facts.items():
                if value not in merged.setdefault(key, []):
                    merged[key].append(value)
    return {key: " and ".join(values) for key, values in merged.items()}


def changes(old: dict[str, Any] | None, new: dict[str, Any]) -> list[str]:
    """Where two contents of `plan.json` differ; how the study was started is no difference."""
    before, after = _lasting(old or {}), _lasting(json.loads(json.dumps(new)))
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _lasting(record: dict[str, Any]) -> dict[str, Any]:
    """One level of keys, those of the question among them."""
    question = {f"question.{key}": value for key, value in record.get("question", {}).items()}
    return {k: v for k, v in {**record, **question}.items() if k not in ("question", _STARTED)}


def known_widths(folder: Path, asked: int | None) -> dict[str, int]:
    """Lanes per program that a study's folder has settled on, for the same asked width."""
    try:
        lanes = Folder(folder).plan["lanes"]
        return dict(lanes["widths"]) if lanes["asked"] == asked else {}
    except (StoreError, KeyError, TypeError):
        return {}
