"""`python -m funcdl` and `funcdl`: the same program, from its very first moment.

Ctrl-C while Python is still importing things would end in a traceback, and some imports swallow it.
So the first thing done, before anything is imported that takes time, is to say what it means: there is
nothing to save yet. Once a study runs, `funcdl.execute.interrupt` decides.
"""

import os
import signal
import sys

from funcdl.garbage import search_no_more, search_rarely


def _open_streams() -> None:
    """Streams that were closed (`2>&-`) go nowhere; or else a study's file would get their number,
    and what is said would be written into it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (as long as the process)


def _stop(signum: int, frame: object) -> None:
    os.write(2, b"stopped by SIGINT\n")
    os._exit(128 + signum)


def main() -> None:
    """Runs the command line."""
    _open_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    search_rarely()
    from funcdl.cli import main

    try:
        main()
    finally:
        search_no_more()


if __name__ == "__main__":
    main()
