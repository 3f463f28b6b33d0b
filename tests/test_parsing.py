"""Syntax trees are built by one thread at a time."""

import ast
import inspect
import sys
import threading

from funcdl.signatures import parsing


def test_many_threads_may_ask_for_trees_at_once():
    """CPython before 3.11.8 fails here, unless it is guarded."""
    parsing.guard()
    source, before = inspect.getsource(inspect), sys.getswitchinterval()
    expected, wrong = ast.dump(ast.parse(source)), []

    def work() -> None:
        try:
            for _ in range(4):
                if ast.dump(ast.parse(source)) != expected:
                    wrong.append("another tree")
        except SystemError as error:
            wrong.append(str(error))

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == []
