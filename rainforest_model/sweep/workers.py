"""Processes on this machine that answer points, and may die while they do."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait

from ..simulation import SimulationError
from .task import Answer, Context, Job, answer

AHEAD = 3
"""Points that a worker has at a time, so that it need not wait for the next."""
MOST_DEATHS = 2
"""Workers that may die of a point before it counts as failed."""
MOST_STILLBORN = 5
"""Workers in a row that may die before their first answer."""

Task = Callable[[Context, Job], Answer]


def _serve(pipe: Connection, task: Task, context: Context) -> None:
    """Answer what comes through the pipe until it is closed, which the death of the other end does too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that shares the points out
    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(task(context, pipe.recv()))


class _Worker:
    """One process, its pipe, and the points that it has."""

    def __init__(self, task: Task, context: Context):
        start = multiprocessing.get_context("spawn")  # a fork would keep the store's lock, and share the engine's state
        self.pipe, theirs = start.Pipe()
        self.process = start.Process(target=_serve, args=(theirs, task, context), daemon=True)
        self.process.start()
        theirs.close()
        self.jobs: deque[Job] = deque()
        self.answered = 0

    def give(self, jobs: deque[Job], share: int) -> None:
        """Let it have some of the points, unless it is dead."""
        while jobs and len(self.jobs) < share:
            try:
                self.pipe.send(jobs[0])
            except OSError:
                return
            self.jobs.append(jobs.popleft())

    def answers(self) -> Iterator[Answer]:
        """What has come so far.

        Raises
        ------
        EOFError
            If it is dead, and nothing whole is left in the pipe.
        """
        try:
            while self.pipe.poll():
                found = self.pipe.recv()
                self.answered += 1
                self.jobs.popleft()
                yield found
        except (OSError, EOFError, pickle.UnpicklingError):
            raise EOFError from None

    def end(self) -> str:
        """End the process; how it ended."""
        self.pipe.close()
        self.process.join(0.2)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


class LocalWorkers:
    """Processes on this machine.

    Parameters
    ----------
    jobs : int
        So many at a time.
    task : callable
        What they do.
    """

    def __init__(self, jobs: int, task: Task = answer):
        self.jobs, self.task = jobs, task

    def answers(self, context: Context, jobs: Iterable[Job]) -> Iterator[Answer]:
        """The answers to all jobs, as they come.

        A worker that dies is replaced, and its points are given out again; a point of which `MOST_DEATHS` workers
        have died is answered as failed.

        Raises
        ------
        SimulationError
            If `MOST_STILLBORN` workers in a row die before they answer anything.
        """
        pending, deaths, stillborn = deque(jobs), {}, 0
        workers = [_Worker(self.task, context) for _ in range(min(self.jobs, len(pending)))]
        try:
            while pending or any(worker.jobs for worker in workers):
                # Near the end each gets one at a time, so that none is left with a queue while others idle.
                share = max(1, min(AHEAD, len(pending) // len(workers)))
                for worker in workers:
                    worker.give(pending, share)
                ready = wait([worker.pipe for worker in workers])
                for place, worker in enumerate(workers):
                    if worker.pipe not in ready:
                        continue
                    try:
                        yield from worker.answers()
                    except EOFError:
                        how = worker.end()
                        stillborn = 0 if worker.answered else stillborn + 1
                        if stillborn == MOST_STILLBORN:
                            raise SimulationError(f"the workers die as they start: the last {how}") from None
                        yield from self._bury(worker, how, pending, deaths)
                        workers[place] = _Worker(self.task, context)
        finally:
            for worker in workers:
                with contextlib.suppress(ValueError):  # ended already
                    worker.process.kill()
                    worker.end()

    @staticmethod
    def _bury(worker: _Worker, how: str, pending: deque[Job], deaths: dict[int, int]) -> Iterator[Answer]:
        """Give a dead worker's points out again; the first of them is the one it was at."""
        if worker.jobs:
            first = worker.jobs[0]
            deaths[first.number] = deaths.get(first.number, 0) + 1
            if deaths[first.number] == MOST_DEATHS:
                worker.jobs.popleft()
                yield Answer(first.number, failure=f"{MOST_DEATHS} workers died of it; the last {how}", final=False)
        pending.extendleft(reversed(worker.jobs))
        worker.jobs.clear()
