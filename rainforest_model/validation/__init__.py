"""Trust: the engine held against theory, against limits where two designs must agree, and against its twin.

`run_checks` is what ``rainforest validate`` prints.  A closed form holds if it lies inside the interval of the
replications, and that interval is short enough to tell.  All intervals are at `check.LEVEL` each, so that of twenty
checks one fails by chance in one out of fifty choices of seeds; the seeds are fixed, so the verdicts are too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from . import closed_forms, limits, twins
from .check import COLUMNS, EFFORTS, Check, CheckResult, Effort, Finding, line

__all__ = ["COLUMNS", "EFFORTS", "Check", "CheckResult", "Effort", "Finding", "checks", "line", "run_checks"]


def checks() -> list[Check]:
    """All checks, in the order in which they are printed."""
    return [*closed_forms.open_queues(), *closed_forms.locks(), *limits.limits(), *twins.twins()]


def run_checks(
    quality: str = "quick", jobs: int = 1, progress: Callable[[int, int], None] | None = None,
    chosen: Iterable[Check] | None = None,
) -> Iterator[CheckResult]:
    """Run the checks, and give the result of each as soon as those before it are known.

    Parameters
    ----------
    quality : {"quick", "full"}
        Under a minute on two cores, or some minutes with narrower intervals and more programs.
    jobs : int
        Checks that run at the same time; the results do not depend on it.
    progress : callable, optional
        Called with (done, expected) checks.
    chosen : iterable of Check, optional
        Instead of all.
    """
    effort, todo = EFFORTS[quality], list(checks() if chosen is None else chosen)
    pool = ThreadPoolExecutor(jobs)
    try:
        for done, result in enumerate(pool.map(lambda check: check.result(effort), todo), 1):
            if progress is not None:
                progress(done, len(todo))
            yield result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
