"""Workers of a Dask cluster, which answer points with the same function as those on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from ..errors import InputError
from ..simulation import SimulationError
from .task import Answer, Context, Job, answer, model_hash
from .workers import MOST_DEATHS, Task

AHEAD = 8
"""Points a thread of the cluster that are under way at a time."""
WAIT_S = 10.0
"""For the scheduler to answer."""


class ClusterWorkers:
    """The workers of a Dask scheduler; they need this package, and see the scenario files under the same paths.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://node1:8786``.
    task : callable
        What they do.
    """

    def __init__(self, address: str, task: Task = answer):
        self.address, self.task = address, task

    def _connected(self):
        try:
            from distributed import Client
        except ImportError:
            reason = "needs Dask distributed, which rainforest-model[sweep] brings"
            raise InputError(reason, key="--scheduler", value=self.address) from None
        try:
            return Client(self.address, timeout=WAIT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or "no scheduler answers"
            raise InputError(reason, key="--scheduler", value=self.address) from None

    def answers(self, context: Context, jobs: Iterable[Job]) -> Iterator[Answer]:
        """The answers to all jobs, as they come; a point of which `MOST_DEATHS` workers have died has failed.

        Raises
        ------
        InputError
            If Dask is not installed, or no scheduler answers.
        SimulationError
            If the cluster has no worker, or one that runs another version of this package.
        """
        client = self._connected()
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        numbers: dict[str, int] = {}
        try:
            self._hold(client, context.model)
            # A task's result, not scattered data: whoever dies with it, the scheduler can make it again.
            shared = client.submit(_itself, context, pure=False)
            left = iter(jobs)

            def submit(number: int) -> list:
                found = []
                for job in islice(left, number):
                    future = client.submit(self.task, shared, job, pure=False, retries=MOST_DEATHS - 1)
                    numbers[future.key] = job.number
                    found.append(future)
                return found

            under_way = as_completed(submit(AHEAD * max(1, sum(client.nthreads().values()))), loop=client.loop)
            for future in under_way:
                number = numbers.pop(future.key)
                try:
                    found = future.result()
                except KilledWorker:
                    found = Answer(number, failure="the workers that were given it died", final=False)
                except Exception as error:
                    told = " ".join(f"{type(error).__name__}: {error}".split())
                    found = Answer(number, failure=told, final=False)
                under_way.update(submit(1))
                yield found
        finally:
            client.close()

    def _hold(self, client, model: str) -> None:
        """Refuse workers whose numbers would not be ours."""
        told = client.run(model_hash)
        if not told:
            raise SimulationError(f"the scheduler at {self.address} has no worker")
        for worker, theirs in told.items():
            if theirs != model:
                raise SimulationError(f"worker {worker} runs another version of this package")


def _itself(context: Context) -> Context:
    return context
