"""One machine that is watched while it runs, and whose cores the user gives and takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..engine.watch import DOINGS, WatchedEngine
from ..errors import InputError
from ..lowering import lower
from ..outcome import StopReason
from ..simulation import SimulationError
from ..tables import NOWHERE
from ..units import TICKS_PER_NS, to_us
from .configuration import LONGEST_WINDOWS, Configuration
from .overlays import overlays
from .tails import tail

POOL = -1
"""Where a core is that nobody owns."""
_US = 1000 * TICKS_PER_NS
_ASK_AGAIN, _PATIENCE = _US, 5000
"""A core that cannot leave is asked again after a microsecond, and for 5 ms: a choice."""
_US_IN = {"us": 1.0, "ms": 1000.0}


class Glance(NamedTuple):
    """A moment from which shares of time count: its tick, and what had been spent until then."""

    tick: int
    spent: np.ndarray


class Session:
    """One machine under one configuration, from its first moment on.

    Two sessions of one configuration, to which the same is done at the same simulated times, are the same in
    everything, however their time is cut into frames.

    Parameters
    ----------
    configuration : Configuration

    Attributes
    ----------
    configuration : Configuration
    window, end : int
        Ticks of a window of the tail chart, and at which the run ends.
    history : list of dict
        The windows of the tail chart that have ended: ``time`` in us; ``p50``, ``p99``; ``n``.
    moves : list of tuple
        (tick, core, to) of every move that has been tried.
    glanced : Glance
        Where the shares of the next frame begin.
    shares_from : int
        Tick at which the shares of the last frame began.

    Examples
    --------
    >>> session = Session(Configuration(system="rainforest", workload="mmap", load=12, cores=12))
    >>> session.advance(2000)
    >>> len(session.history), session.frame()["total"]["n"] > 1000
    (2, True)
    """

    def __init__(self, configuration: Configuration):
        self.configuration = configuration
        scenario = configuration.scenario()
        tables = lower(scenario, seed=f"{configuration.seed}.0")
        self._offer = configuration.offer
        self._engine = WatchedEngine(tables)
        self._sockets = tables.sockets
        self._partitioned = scenario.system.partitioning.partitioned
        self._instances = len(tables.domains)
        self.window = round(self._offer.window_us * _US)
        self.end = LONGEST_WINDOWS * self.window
        self.history: list[dict] = []
        self.moves: list[tuple[int, int, int]] = []
        self._at_window = self._at_frame = self._counts()
        self._reported = 0
        self._serial = self.shares_from = 0
        self.glance()

    # --- time -------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Ticks that have passed."""
        return self._engine.now

    @property
    def events(self) -> int:
        """Events that have happened: two runs that differ hardly agree in it."""
        return self._engine.events

    @property
    def window_end(self) -> int:
        """Tick at which the present window of the tail chart ends."""
        return (len(self.history) + 1) * self.window

    def advance(self, us: float) -> None:
        """Simulate so many microseconds more.

        Raises
        ------
        SimulationError
            If the machine cannot go on: more requests have come than its queue holds, or it is at its longest time.
        """
        self.advance_to(self.now + round(us * _US))

    def advance_to(self, tick: int) -> None:
        """Simulate up to a tick; nothing if it has passed.

        Raises
        ------
        SimulationError
            As `advance`.
        """
        while self.now < min(tick, self.end):
            self._run(min(tick, self.window_end))
            if self.now == self.window_end:
                counts = self._counts()
                self.history.append(self._point(counts - self._at_window))
                self._at_window = counts
        if tick > self.end:
            raise SimulationError(f"the run ends here, after {LONGEST_WINDOWS} windows; configure it anew")

    def _run(self, until: int) -> None:
        reason = self._engine.run(until)
        # Nobody who works is no fault here: the last core of an instance may have been taken.
        if reason not in (StopReason.REACHED, StopReason.DEADLOCK):
            raise SimulationError(f"thread {self._engine.culprit()} {reason.value}")

    # --- what there is to see ---------------------------------------------------------------------------------

    def layout(self) -> dict:
        """The machine: sockets, OS instances, states, unit, the paper's numbers."""
        asked, system = self.configuration, self.configuration.described_system
        sockets = [np.flatnonzero(self._sockets == socket).tolist() for socket in np.unique(self._sockets)]
        name = system.partitioning.instance_name
        names = [f"{name} {number}" for number in range(self._instances)] if self._partitioned else [system.title]
        kernel = f" ({system.kernel.title})"
        return {
            "version": 1, "machine": asked.described_machine.id, "system": asked.system,
            "title": system.title + (kernel if self._partitioned and kernel not in system.title else ""),
            "workload": asked.workload, "load": asked.load, "cores": asked.cores, "unit": self._offer.unit,
            "sockets": sockets, "instances": [{"number": n, "name": name} for n, name in enumerate(names)],
            "can_move": self._partitioned, "states": list(DOINGS), "paper": overlays(asked),
        }

    def glance(self) -> Glance:
        """Let the shares of the next frame begin at this moment."""
        self.glanced = Glance(self.now, self._engine.spent.copy())
        return self.glanced

    def frame(self) -> dict:
        """What there is to see now; shares and window are those since the last frame."""
        spent = self._engine.spent - self.glanced.spent
        doing = self._engine.doing()
        if not spent.any():
            spent = np.bincount(doing, minlength=len(DOINGS))
        window = None
        if len(self.history) > self._reported:
            window = self.history[-1]
            if len(self.history) > self._reported + 1:
                window = self._point(self._at_window - self._at_frame) | {"time": window["time"]}
            self._reported, self._at_frame = len(self.history), self._at_window
        self._serial += 1
        self.shares_from = self.glanced.tick
        self.glance()
        return {
            "serial": self._serial, "time": float(to_us(self.now)), "state": doing.tolist(), "owner": self.owners(),
            "share": (spent / spent.sum()).tolist(), "window": window,
            "total": tail(self._counts(), _US_IN[self._offer.unit]), "running": False,
        }

    def report(self) -> list[dict]:
        """The whole history; the next frame has only what comes after it."""
        self._reported, self._at_frame = len(self.history), self._at_window
        return self.history

    def owners(self) -> list[int]:
        """OS instance of each core, or `POOL`."""
        owners = map(self._engine.owner, range(len(self._sockets)))
        return [POOL if owner == NOWHERE else owner for owner in owners]

    def _counts(self) -> np.ndarray:
        """Histogram of all latencies so far, in ticks."""
        return self._engine.outcome().counts[0]

    def _point(self, counts: np.ndarray) -> dict:
        return {"time": float(to_us(self.now)), **tail(counts, _US_IN[self._offer.unit])}

    # --- borders ----------------------------------------------------------------------------------------------

    def move(self, core: int, to: int) -> None:
        """Give a core to an OS instance, or take it to the pool.

        Time passes while the thread on the core is in the kernel; the hand-over itself takes none.  An instance that
        loses its last core ends, and begins anew when it gets one.

        Raises
        ------
        InputError
            If that cannot be.
        """
        self._check(core, to)
        self.moves.append((self.now, core, to))
        engine, domain = self._engine, self._engine.owner(core)
        if domain != NOWHERE:
            if len(engine.cores_of(domain)) == 1 and not self._until(lambda: engine.end_threads(domain)):
                raise InputError("its instance's threads cannot end: one stays in the kernel", key="core", value=core)
            if not self._until(lambda: engine.release(core)):
                raise InputError("cannot leave now: its thread stays in the kernel", key="core", value=core)
        if to != POOL:
            begins = not engine.cores_of(to)
            engine.adopt(core, to)
            if begins:
                engine.start_threads(to)

    def _check(self, core: int, to: int) -> None:
        if not self._partitioned:
            raise InputError("one kernel has all cores; none can move", key="core", value=core)
        for key, number, least, size in (
            ("core", core, 0, len(self._sockets)), ("to", to, POOL, self._instances),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or not least <= number < size:
                raise InputError(f"must be a whole number in {least} .. {size - 1}", key=key, value=number)
        if self.owners()[core] == to:
            raise InputError("is there already", key="core", value=core)

    def _until(self, done: Callable[[], bool]) -> bool:
        """Let time pass until something can be done, and do it; False if it takes too long."""
        for _ in range(_PATIENCE):
            if done():
                return True
            self.advance_to(self.now + _ASK_AGAIN)
        return done()

    def __repr__(self) -> str:
        asked = self.configuration
        return f"<Session {asked.workload} on {asked.system}, {asked.cores} cores: {to_us(self.now):g} us>"
