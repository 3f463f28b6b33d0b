"""Of two answers to one question, the more careful one: the wider population never knows more.

"Data like these" includes other runs on these very examples. Its variance is that over repeats and
more, but its estimate has more degrees of freedom, so that at few repeats its interval can come out
the narrower of the two. It is then widened to that of "this test set": a test that rejects only where
two tests do errs no more often than either.
"""

from __future__ import annotations

from funcdl.stats.interval import Interval
from funcdl.stats.paired import Paired


def wider_interval(found: Interval, inner: Interval) -> Interval:
    """An interval that also holds another around the same mean: the hull of both.

    Args:
        found: for the wider population; returned as it is where it has no ends.
        inner: for the narrower one; without ends it changes nothing.

    >>> both = wider_interval(Interval(3, 1.0, 0.5, 1.5, 0.2, ""), Interval(3, 1.0, 0.4, 1.4, 0.2, ""))
    >>> both.low, both.high
    (0.4, 1.5)
    """
    if found.low is None or found.high is None or inner.low is None or inner.high is None:
        return found
    return found._replace(low=min(found.low, inner.low), high=max(found.high, inner.high))


def wider_test(found: Paired, inner: Paired) -> Paired:
    """A comparison that claims no more than another of the same difference.

    The interval is the hull of both, `t`, `df` and `p` are those with the larger p-value: an
    intersection-union test, whose rate of errors is at most the smaller of the two.

    Args:
        found: for the wider population; returned as it is where it is refused.
        inner: for the narrower one; refused it changes nothing.

    Source: Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
    (1982).

    >>> found = wider_test(
    ...     Paired(3, 1.0, 0.2, 1.8, 4.0, 0.02, "", 6.0), Paired(3, 1.0, -0.4, 2.4, 3.1, 0.09, "", 2)
    ... )
    >>> found.low, found.p, found.df
    (-0.4, 0.09, 2)
    """
    if found.p is None or inner.p is None:
        return found
    ends = [found.low, found.high, inner.low, inner.high]
    known = [end for end in ends if end is not None]
    larger = inner if inner.p > found.p else found
    return found._replace(low=min(known), high=max(known), t=larger.t, p=larger.p, df=larger.df)
