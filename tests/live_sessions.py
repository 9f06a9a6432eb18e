"""Sessions and configurations for the tests of what is live."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

from rainforest_model import live
from rainforest_model.live.pair import Pair
from rainforest_model.live.session import Session
from rainforest_model.units import TICKS_PER_NS

ROOT = Path(__file__).resolve().parents[1]
US = 1000 * TICKS_PER_NS
MOVABLE = {"system": "rainforest", "workload": "mmap", "load": 12, "cores": 12}
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow],
               phases=[Phase.explicit, Phase.generate])


def machine(**changes) -> live.Configuration:
    """A checked configuration, RainForest with a process on each core unless changed."""
    return live.configuration(**MOVABLE | changes)


def move(session: Session, core: int, to: int) -> None:
    """Move a core and let time go on until it has arrived."""
    session.move(core, to)
    while session.moving:
        session.advance(20)


def same(frame: dict) -> dict:
    """A frame without what counts the frames of one page."""
    return {key: value for key, value in frame.items() if key not in ("serial", "window")}


def pair_of(first="lxc", second="rainforest") -> Pair:
    return Pair([machine(system=first, seed=9), machine(system=second, seed=9)])
