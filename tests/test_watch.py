"""How often runs are saved while they are done."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest

from funcdl.execute import resume
from funcdl.execute.watch import watch


@pytest.fixture
def saved_at(monkeypatch: pytest.MonkeyPatch):
    """`saved_at(every, cost, looks)`: the seconds at which a run is saved that is looked at each second."""
    clock = SimpleNamespace(now=0.0)

    def times(every: float, cost: float, looks: int) -> list[float]:
        found = []

        def save(*_: object) -> None:
            found.append(clock.now)
            clock.now += cost

        monkeypatch.setattr(resume, "save", save)
        one = watch(Path("checkpoints"), every, lambda: False, lambda _: None)
        job, state = SimpleNamespace(id="a"), SimpleNamespace(state=None, progress=None)
        for _ in range(looks):
            clock.now += 1.0
            one.beat(lambda: [(job, state)], False, 1)  # type: ignore[arg-type, list-item]
        return found

    clock_module = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr("funcdl.execute.watch.time", clock_module)
    return times


def test_cheap_states_are_saved_as_often_as_asked(saved_at):
    assert saved_at(every=30.0, cost=0.0, looks=100) == [30.0, 60.0, 90.0]


def test_costly_states_take_a_twentieth_of_the_time(saved_at):
    found = saved_at(every=30.0, cost=10.0, looks=1000)
    assert found[0] == 30.0
    waits = [later - earlier - 10.0 for earlier, later in itertools.pairwise(found)]
    assert len(waits) >= 3
    assert set(waits) == {200.0}


def test_whoever_asks_for_every_look_gets_it(saved_at):
    assert len(saved_at(every=0.0, cost=10.0, looks=20)) == 20
