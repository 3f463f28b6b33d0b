"""What models learnt from, in words: changed inputs, hidden labels, and what other runs had learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NOTHING, ALL, NO_METHOD, RANDOM = "nothing", "all", "no method", "random numbers"


def sentences(setting: Mapping[str, str]) -> Iterator[str]:
    """One sentence for each of these that a study uses.

    Args:
        setting: from `funcdl.report.setting`, each value free of what could steer a page.

    >>> list(sentences({"init": "the parameters of first/cnn"}))
    ['Training began from the parameters of first/cnn.']
    """
    for key, text in (
        ("augment", "In training the inputs of each batch were changed by {}{}."),
        (
            "labelled",
            "{} training examples kept their labels{}; those of the others were hidden.",
        ),
        ("unlabelled", "Examples without labels were learnt from by {}{}."),
        ("init", "Training began from {}{}."),
    ):
        if value := setting.get(key):
            several = " or " in value or " others" in value
            yield text.format(value, ", depending on the method" if several else "")


def begun(init: Mapping[str, Any] | None) -> str:
    """What a method's parameters began from.

    Args:
        init: the section of its recipe, if it has one.

    >>> begun({"from": "runs/first/cnn", "repeat": "best", "head": "new", "freeze": ["Conv_*"]})
    'the parameters of first/cnn (of its best repeat; with a new last layer; Conv_* frozen)'
    """
    if not init:
        return RANDOM
    said = ["of its best repeat"] if init.get("repeat") == "best" else []
    said += ["with a new last layer"] if init.get("head") == "new" else []
    freeze = init.get("freeze", "none")
    if freeze != "none":
        frozen = "all but the last layer" if freeze == "all_but_head" else _listed(freeze)
        said.append(f"{frozen} frozen")
    # Where the study lies is nobody's business.
    source = "/".join(str(init["from"]).split("/")[-2:])
    return f"the parameters of {source}" + (f" ({'; '.join(said)})" if said else "")


def _listed(patterns: str | Sequence[str]) -> str:
    return patterns if isinstance(patterns, str) else ", ".join(patterns)
