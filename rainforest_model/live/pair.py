"""Two machines side by side: one clock, one pace, the same arrivals; their state as a link, and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from ..errors import InputError
from ..simulation import SimulationError
from ..units import TICKS_PER_NS
from . import link
from .configuration import Configuration, configuration
from .offers import offer
from .session import Glance, Session

FRAME_S = 0.02
"""Computing that a frame may take: a click waits for no more."""
SYSTEMS = ("linux-4.9.40", "rainforest")
WORKLOAD = "mmap"
_US = 1000 * TICKS_PER_NS


def default() -> tuple[Configuration, Configuration]:
    """What a page shows at first: the newest kernel of the paper beside RainForest."""
    chosen = offer(WORKLOAD)
    return tuple(
        configuration(system=id, workload=chosen.id, load=chosen.load.value, cores=chosen.cores) for id in SYSTEMS
    )


class Pair:
    """Two sessions.

    Parameters
    ----------
    sides : pair of Configuration
    speed_us : float, optional
        Simulated time of a frame at most; by default as the workload suggests.  A frame is shorter where computing
        it would take too long.
    each : callable
        As the built-in ``map``; that of a pool of threads lets both sides compute at the same time.

    Attributes
    ----------
    sides : list of Session
    speed_us : float

    Examples
    --------
    >>> pair = Pair(default())
    >>> frames = pair.step()
    >>> [side for side, _ in frames]
    [0, 1]
    >>> again = Pair.of_link(pair.link())
    >>> while not again.catch_up():
    ...     pass
    >>> again.link() == pair.link()
    True
    """

    def __init__(self, sides: Iterable[Configuration], speed_us: float | None = None, each: Callable = map):
        self.sides = [Session(side) for side in sides]
        pace_us = self.sides[0].configuration.offer.pace_us
        self.speed_us = pace_us if speed_us is None else speed_us
        self._each = each
        self._moves: list[link.Move] = []
        self._replays: list[Iterator[None]] = []
        self._glances: dict[Session, Glance] = {}
        self._computing = FRAME_S / (pace_us * _US)  # seconds a tick: an estimate that the first frame replaces

    # --- time ---------------------------------------------------------------------------------------------------

    def step(self) -> list[tuple[int, dict]]:
        """Go on by a frame.

        Returns
        -------
        list of (side, frame)
            One of each side, and more where a window of the tail chart ends in between.

        Raises
        ------
        SimulationError
            If a machine cannot go on.
        """
        begun = max(side.now for side in self.sides)
        until = begun + max(1, round(min(self.speed_us * _US, FRAME_S / self._computing)))
        frames, began = [], time.perf_counter()
        while True:
            to = min(until, *(side.window_end for side in self.sides))
            list(self._each(lambda side, to=to: side.advance_to(to), self.sides))
            frames += self.frames()
            if to == until:
                break
        took = (time.perf_counter() - began) / (until - begun)
        self._computing = max(took, 0.8 * self._computing)
        return frames

    def frames(self) -> list[tuple[int, dict]]:
        """What there is to see now, of both sides."""
        return [(number, side.frame()) for number, side in enumerate(self.sides)]

    # --- what the user does ---------------------------------------------------------------------------------------

    def pace(self, speed_us: float) -> None:
        """Set the simulated time of a frame.

        Raises
        ------
        InputError
            If it is out of bounds.
        """
        numeric = isinstance(speed_us, int | float) and not isinstance(speed_us, bool)
        if not numeric or not link.SLOWEST_US <= speed_us <= link.FASTEST_US:
            reason = f"must be in {link.SLOWEST_US:g} .. {link.FASTEST_US:g} us a frame"
            raise InputError(reason, key="speed", value=speed_us)
        self.speed_us = float(speed_us)

    def move(self, side: int, core: int, to: int) -> None:
        """Let a core change hands on one side.

        Raises
        ------
        InputError
            As `rainforest_model.live.session.Session.move`, or if there have been too many moves for a link.
        """
        if len(self._moves) == link.MOST_MOVES:
            raise InputError(f"{link.MOST_MOVES} moves are as many as a link holds; configure the machine anew")
        session = self.sides[side]
        tried = len(session.moves)
        try:
            session.move(core, to)
        finally:
            for tick, core, to in session.moves[tried:]:
                self._moves.append(link.Move(side=side, tick=tick, core=core, to=to))

    # --- links ----------------------------------------------------------------------------------------------------

    def link(self) -> str:
        """The state as text."""
        return link.encode(link.State(
            sides=tuple(
                link.Reached(
                    configuration=side.configuration, tick=side.now, shares_from=side.shares_from, events=side.events,
                ) for side in self.sides
            ),
            speed_us=self.speed_us, moves=tuple(self._moves),
        ))

    @classmethod
    def of_link(cls, text: str, each: Callable = map) -> Pair:
        """The pair of a link, at its first moment; `catch_up` leads it to its state.

        Raises
        ------
        InputError
            If the text is no link.
        """
        state = link.decode(text)
        pair = cls([reached.configuration for reached in state.sides], state.speed_us, each)
        for side, (session, reached) in enumerate(zip(pair.sides, state.sides, strict=True)):
            if reached.tick > session.end:
                raise InputError("holds a time after the end of its run", file="link")
            moves = [move for move in state.moves if move.side == side]
            pair._replays.append(_replay(session, reached, moves, pair._glances))
        pair._moves = list(state.moves)
        return pair

    def catch_up(self, seconds: float = FRAME_S) -> bool:
        """Replay for so long; whether the state of the link is reached.

        Raises
        ------
        InputError
            If another version of the suite made the link, so that the machines come out different.
        """
        self._replays = [replay for replay in self._each(lambda replay: _go_on(replay, seconds), self._replays)
                         if replay is not None]
        if self._replays:
            return False
        for session, glance in self._glances.items():  # there may have been frames in between
            session.glanced, session.shares_from = glance, glance.tick
        self._glances = {}
        return True


def _go_on(replay: Iterator[None], seconds: float) -> Iterator[None] | None:
    """Replay for so long; None at its end."""
    until = time.perf_counter() + seconds
    for _ in replay:
        if time.perf_counter() >= until:
            return replay
    return None


_STRETCH = 100
"""A replay is cut into so many parts a window."""


def _replay(
    session: Session, reached: link.Reached, moves: list[link.Move], glances: dict[Session, Glance],
) -> Iterator[None]:
    """Lead a session to where it was, with a stop now and then; keep where the shares that were shown began."""
    for move in moves:
        # Whoever looked at a tick has looked before the move at that tick, which may have taken time.
        if reached.shares_from <= move.tick and session not in glances:
            yield from _advance(session, reached.shares_from)
            glances[session] = session.glance()
        yield from _advance(session, move.tick)
        tried = len(session.moves)
        try:
            session.move(move.core, move.to)
        except InputError:
            if len(session.moves) == tried:
                raise InputError("holds a move that cannot be", file="link") from None
        yield
    if session not in glances:
        yield from _advance(session, reached.shares_from)
        glances[session] = session.glance()
    yield from _advance(session, reached.tick)
    if (session.now, session.events) != (reached.tick, reached.events):
        reason = "leads to another state here: another version of the suite made it"
        raise InputError(reason, file="link")


def _advance(session: Session, tick: int) -> Iterator[None]:
    stretch = max(1, session.window // _STRETCH)
    while session.now < tick:
        try:
            session.advance_to(min(tick, session.now + stretch))
        except SimulationError:
            if session.now != tick:
                raise  # else the link is of the moment at which the machine could not go on
        yield
