"""A run as a player shows it: what there was to see, frame by frame."""

from __future__ import annotations

from ..errors import InputError
from .configuration import Configuration
from .session import Session

MOST_FRAMES = 5000


def record(configuration: Configuration, frames: int = 200, speed_us: float | None = None) -> dict:
    """Run a machine and keep each frame.

    Parameters
    ----------
    configuration : Configuration
    frames : int
    speed_us : float, optional
        Simulated time of a frame; by default as the workload suggests.

    Returns
    -------
    dict
        ``layout``, ``frames`` and ``history``: what `rainforest_model.view.player` takes.

    Raises
    ------
    InputError
        If there are too many frames, or none.
    SimulationError
        If the machine cannot go on.

    Examples
    --------
    >>> run = record(Configuration(system="lxc", workload="mmap", load=12, cores=12), frames=3)
    >>> [frame["time"] for frame in run["frames"]]
    [200.0, 400.0, 600.0]
    """
    if not 1 <= frames <= MOST_FRAMES:
        raise InputError(f"must be in 1 .. {MOST_FRAMES}", key="frames", value=frames)
    session = Session(configuration)
    kept = []
    for _ in range(frames):
        session.advance(configuration.offer.pace_us if speed_us is None else speed_us)
        kept.append(session.frame())
    return {"layout": session.layout(), "frames": kept, "history": []}
