"""What a study still needs, as its outcomes come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from funcdl.execute.growth import Blocks, Growth
from funcdl.execute.jobs import label_of
from funcdl.execute.status import Tally
from funcdl.plan.contest import Outcome, Run, due, most, outcome_of, told
from funcdl.plan.study import Plan
from funcdl.store.ledger import Known, Label

Need = Callable[[int, list[Run], list[Run]], None]


class Agenda:
    """The runs that are due and not there, of all contests; `begin`, then `came` for each outcome.

    contests: with the repeats that they have come to.
    outcomes: run id -> outcome.
    tally: how far the study is.
    """

    def __init__(
        self, plan: Plan, known: Mapping[str, Known], need: Need, growth: Growth | None = None
    ):
        """Nothing happens before `begin`.

        Args:
            plan: what the study is.
            known: what the store holds.
            need: `need(position, missing, new)`, called with the position of a contest, the runs that
                it waits for from now on, and those of them that no other contest waits for.
            growth: how repeats are added; None for a study that has all that it shall have.
        """
        self._metric = plan.select[0]
        self.contests = list(plan.contests)
        self.outcomes = {run: self._outcome(k.status, k.final) for run, k in known.items()}
        self._need, self._growth, self._blocks = need, growth, Blocks(plan.contests)
        self._open: dict[str, list[int]] = {}  # run id -> positions of contests that wait for it
        self._waits = [0] * len(plan.contests)  # how many runs each contest waits for
        self._counted = [(0, 0)] * len(plan.contests)  # its runs in the tally: planned, needed
        self._runs: dict[str, tuple[int, Run]] = {}
        last = growth.looks[-1] if growth else 0
        self._further = [max(0, last - contest.repeats) for contest in plan.contests]
        runs = sum(map(most, plan.contests))
        self.tally = Tally(runs, len(plan.programs), sum(self._further))

    def begin(self) -> None:
        """Asks for everything that is due."""
        for position in range(len(self.contests)):
            self._advance(position)

    @property
    def over(self) -> bool:
        """Whether nothing is missing any more."""
        return not self._open

    def owner(self, run: str) -> tuple[int, Run]:
        """A run that was asked for, and the position of the contest that asked first."""
        return self._runs[run]

    def came(self, run: str, status: str, final: Mapping[str, float]) -> None:
        """Notes an outcome, and asks for what it makes due."""
        self.outcomes[run] = self._outcome(status, final)
        self.tally.finished(status, len(self._open[run]))
        for position in self._open.pop(run):
            self._waits[position] -= 1
            if self._waits[position] == 0:
                self._advance(position)

    def labels(self, positions: Iterable[int] | None = None) -> list[Label]:
        """The runs of these contests, or of all, that a reader is told of, in the study's order."""
        at = range(len(self.contests)) if positions is None else positions
        contests = [self.contests[position] for position in at]
        return [label_of(one, run) for one in contests for run in told(one, self.outcomes)]

    def _outcome(self, status: str, final: Mapping[str, Any]) -> Outcome:
        return outcome_of(status, final, self._metric)

    def _advance(self, position: int) -> None:
        """Asks for what a contest needs next; called when it waits for nothing."""
        contest = self.contests[position]
        runs = due(contest, self.outcomes)
        missing = [run for run in runs if run.id not in self.outcomes]
        new = [run for run in missing if run.id not in self._open]
        for run in missing:
            self._waits[position] += 1
            self._open.setdefault(run.id, []).append(position)
        for run in new:
            self._runs[run.id] = (position, run)
        self._need(position, missing, new)
        if not missing:
            self._count(position, runs)
            if self._blocks.complete(contest.block, position):
                self._look(contest.block)

    def _count(self, position: int, runs: list[Run]) -> None:
        """A contest is complete: a method that failed everywhere needs fewer runs than planned."""
        planned, needed = self._counted[position]
        self._counted[position] = (most(self.contests[position]), len(runs))
        here = [run for run in runs[needed:] if run.id not in self._runs]
        unneeded = self._counted[position][0] - planned - (len(runs) - needed)
        self.tally.complete(unneeded=unneeded, reused=len(here))

    def _look(self, block: str) -> None:
        """A block has all runs that were asked for; it may turn out to need more repeats."""
        places = self._blocks.places[block]
        now = self.contests[places[0]].repeats
        growth = self._growth
        more = now if growth is None else growth.after(block, now, self.labels(places))
        if more == now:
            self.tally.settled(sum(self._further[place] for place in places))
            return
        self._blocks.reopen(block)
        self.tally.more((more - now) * len(places))
        for place in places:
            self._further[place] -= more - now
            self.contests[place] = self.contests[place]._replace(repeats=more)
        for place in places:
            self._advance(place)
