"""Configs: one YAML file, or keywords in Python, to methods with resolved recipes. No JAX here.

Read in this order: `node` (a tree that knows its lines), `text` (YAML), `layers` and `files` (base,
variant, command line), `sections` and `values` (names and arguments against signatures), `recipe`,
`axes`, `search`, `expansion`, `study`.
"""

from funcdl.config.axes import Axis
from funcdl.config.expansion import Block, Expansion, Method
from funcdl.config.identity import canonical, identity
from funcdl.config.recipe import with_values
from funcdl.config.spaces import Distribution
from funcdl.config.study import Study, expand, load, placed, problem_at, problem_of
from funcdl.config.study import load as load_study
from funcdl.config.versioned import versioned
from funcdl.config.write import to_yaml

__all__ = [
    "Axis",
    "Block",
    "Distribution",
    "Expansion",
    "Method",
    "Study",
    "canonical",
    "expand",
    "identity",
    "load",
    "load_study",
    "placed",
    "problem_at",
    "problem_of",
    "to_yaml",
    "versioned",
    "with_values",
]
