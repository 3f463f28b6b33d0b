"""Strict settings for every test: silent broadcasting and unseeded randomness are errors."""

import os
import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore Ctrl-C, and so would every program that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # likewise under nohup
os.environ.setdefault("PJRT_NPROC", "1")  # as workers run: bits do not depend on the cores

import jax
import pytest
from threadpoolctl import threadpool_limits

from funcdl.garbage import search_no_more, search_rarely
from funcdl.report import export

jax.config.update("jax_numpy_rank_promotion", "raise")
search_rarely()


def pytest_collection_finish():
    search_no_more()  # in what was imported until now, which stays
    # One thread each, as workers have: idle ones turn on the cores that the other tests need.
    threadpool_limits(1)
    export.PRINTED = 1  # figure of a report as PDF and PNG; `test_exports.py` prints all


def pytest_unconfigure():
    search_no_more()  # in gigabytes of traces, which end with the process


@pytest.fixture(scope="session", autouse=True)
def _compilation_cache(tmp_path_factory: pytest.TempPathFactory):
    """Programs are compiled once per session, and nothing is left in the user's own cache."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        base = tmp_path_factory.getbasetemp()
        # Processes that share the tests out share their programs, too.
        session = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(session / "xla")
    return os.environ["JAX_COMPILATION_CACHE_DIR"]
