"""What a constructor takes, read from its source with `ast`, without importing it.

A config is checked against the real constructors' signatures, yet importing them would cost
seconds (JAX, scikit-learn) for a typo. So a target `"module:object"` is found by path, re-exports
are followed, and its parameters are read from the syntax tree; nothing of the target is executed.
Callables given from Python are read with `inspect.signature` instead, and give the same kinds.

Read `parameter` (what is known of an argument), `annotation` (how its kind follows from its
annotation), `source` (finding a definition) and `reading` (putting these together).
"""

from funcdl.signatures.parameter import Expression, Parameter, accepts_schedule, is_traced
from funcdl.signatures.reading import parameters
from funcdl.signatures.source import Definition, imported_from, locate, public_names

__all__ = [
    "Definition",
    "Expression",
    "Parameter",
    "accepts_schedule",
    "imported_from",
    "is_traced",
    "locate",
    "parameters",
    "public_names",
]
