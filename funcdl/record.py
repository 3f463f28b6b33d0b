"""The question a study asks, from its plan, and to `plan.json` and back."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from funcdl.report.question import Question
from funcdl.store.folder import FORMAT, Folder


def write_record(question: Question, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of `plan.json`: the question, and facts about the plan such as counts."""
    spaces = [
        {"block": block, "method": method, "space": dict(space)}
        for (block, method), space in question.spaces.items()
    ]
    asked = question._asdict() | {"spaces": spaces}
    for derived in ("parameters", "environment"):  # they come from the runs themselves
        del asked[derived]
    return {"format": FORMAT, **facts, "question": asked}


def read_record(folder: Folder, rows: pa.Table | None) -> Question:
    """The question of a study's folder, with what its runs say about models and machines."""
    asked = folder.read_json("plan.json")["question"]
    known = {key: asked[key] for key in Question._fields if key in asked}
    for key in ("methods", "contrasts"):
        known[key] = tuple(tuple(item) for item in known[key])
    for key in ("blocks", "tuned", "vary", "notes"):
        known[key] = tuple(known[key])
    known["spaces"] = {(s["block"], s["method"]): s["space"] for s in known["spaces"]}
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
    known = folder.read_json("environments.json", {})
    used = set(rows["environment"].to_pylist()) if rows is not None else set()
    merged: dict[str, list[str]] = {}
    for name, facts in known.items():
        if name in used:
            for key, value in facts.items():
                if value not in merged.setdefault(key, []):
                    merged[key].append(value)
    return {key: " and ".join(values) for key, values in merged.items()}


def same(old: Any, new: dict[str, Any]) -> bool:
    """Whether two contents of `plan.json` say the same; how the study was started is no difference."""
    return _lasting(old) == _lasting(json.loads(json.dumps(new)))


def _lasting(record: Any) -> Any:
    if not isinstance(record, dict) or not isinstance(record.get("question"), dict):
        return record
    return record | {"question": record["question"] | {"command": ""}}
