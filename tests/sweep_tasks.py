"""Stand-ins for what a worker does at a point; apart from the tests, so that a worker's process can import them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from rainforest_model.sweep.task import Answer, Context, Job


def quick(context: Context, job: Job) -> Answer:
    """Finish at once; the outcome tells the point's number."""
    outcome = {"latencies": {}, "utilisation": 0.5, "samples": job.number, "events": 1}
    return Answer(job.number, f"{job.number:024x}", {0: outcome}, 1e-3)


def spin(context: Context, job: Job) -> Answer:
    """Compute for the milliseconds of processor time that the point asks for."""
    end = time.process_time() + 1e-3 * job.changes["stagger"]
    while time.process_time() < end:
        pass
    return quick(context, job)


def deadly(context: Context, job: Job) -> Answer:
    """Kill the process at every third point."""
    if job.number % 3 == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(context, job)


def deadly_once(context: Context, job: Job) -> Answer:
    """Kill the process at every third point, the first time; the scenario's folder remembers."""
    mark = Path(context.bases[0].path).parent / f"died.{job.number}"
    if job.number % 3 == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(context, job)


def stillborn(context: Context, job: Job) -> Answer:
    """Kill the process at any point."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
