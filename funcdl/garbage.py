"""Python's search for cyclic garbage, in the processes that are funcdl's own.

Imports and JAX's tracing make millions of objects that stay; Python looks through them again and
again for cycles that nobody holds. Looked for less often, these take an eighth to a fifth less time.
"""

import gc

NEW_OBJECTS = 50_000  # more than were freed since, before the youngest are searched; Python has 700


def search_rarely() -> None:
    """Searches for garbage when there may be some megabytes of it."""
    gc.set_threshold(NEW_OBJECTS)


def search_no_more() -> None:
    """Lets the process end at once: what it holds ends with it, and need not be searched."""
    gc.freeze()
