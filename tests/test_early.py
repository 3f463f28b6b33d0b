"""Workers that start before a study is planned: used where they fit, and never left behind."""

from pathlib import Path

import pytest

from funcdl.execute.crew import WAITING, Crew
from funcdl.execute.early import started_early
from funcdl.store.folder import MANIFEST


def test_a_crew_takes_those_that_were_started_for_it(tmp_path: Path):
    with started_early(tmp_path, 2, 30.0, 1):
        waiting = list(WAITING)
        assert [member.process.poll() for member in waiting] == [None, None]
        crew = Crew(2, tmp_path / "checkpoints", 30.0)
        assert {m.number for m in crew.members} == {m.number for m in waiting}
        crew.close()
    assert [member.process.poll() is None for member in waiting] == [False, False]


@pytest.mark.parametrize(
    ("size", "every", "threads"), [(1, 30.0, 1), (2, 1.0, 1), (2, 30.0, 2)], ids=str
)
def test_those_that_a_crew_has_no_use_for_end_at_once(tmp_path: Path, size, every, threads):
    with started_early(tmp_path, 2, 30.0, 1):
        waiting = list(WAITING)
        crew = Crew(size, tmp_path / "checkpoints", every, threads)
        taken = {member.number for member in crew.members}
        fits = (every, threads) == (30.0, 1)
        assert len(taken & {m.number for m in waiting}) == (size if fits else 0)
        assert not WAITING
        gone = [m for m in waiting if m.number not in taken]
        assert len(gone) == (2 - size if fits else 2)
        assert not [m for m in gone if m.process.poll() is None]
        crew.close()


def test_an_error_before_the_crew_leaves_nobody_behind(tmp_path: Path):
    waiting = []

    def fail() -> None:
        with started_early(tmp_path, 2, 30.0, 1):
            waiting.extend(WAITING)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert len(waiting) == 2
    assert not [m for m in waiting if m.process.poll() is None]


def test_nobody_starts_where_nothing_is_missing_or_no_worker_is_wanted(tmp_path: Path):
    with started_early(tmp_path, 0, 30.0, 1):
        assert not WAITING
    (tmp_path / MANIFEST).touch()
    with started_early(tmp_path, 2, 30.0, 1):
        assert not WAITING
