"""What a page and its session say to each other: messages as tables, without any transport.

A page opens with the state of its address, configures a side, moves cores, steps, runs and pauses; it hears of
choices, layouts, histories, frames, the link to the present state, and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..descriptions import load
from ..errors import InputError
from ..simulation import SimulationError
from . import link
from .configuration import Configuration, configuration
from .offers import Offer, offers
from .pair import Pair, default

Message = dict
_BOTH = (0, 1)


class Conversation:
    """One page's session.

    Parameters
    ----------
    id : str
        Name of the session, by which its state can be asked for.
    sides : pair of Configuration, optional
        What it shows where the address holds no state.
    each : callable
        As for `Pair`.

    Attributes
    ----------
    id : str
    running, restoring : bool
        Whether time goes on by itself; whether a link is being replayed.
    latest : list of dict
        The last frame of each side.

    Examples
    --------
    >>> talk = Conversation("here")
    >>> [message["type"] for message in talk.hear({"type": "open", "state": ""})][:3]
    ['choices', 'layout', 'layout']
    >>> talk.hear({"type": "speed", "value": -1})
    [{'type': 'error', 'side': None, 'text': 'speed = -1: must be in 1 .. 1e+06 us a frame'}]
    """

    def __init__(
        self, id: str, sides: Iterable[Configuration] | None = None, each: Callable = map,
    ):
        self.id = id
        self._usual = tuple(sides) if sides is not None else default()
        self._each = each
        self._pair: Pair | None = None
        self.running = self.restoring = False
        self.latest: list[dict] = [{}, {}]

    def hear(self, message: Message) -> list[Message]:
        """Answer a message of the page; whatever is wrong with it becomes an error message."""
        side = message.get("side") if isinstance(message, dict) else None
        side = side if _is_side(side) else None
        try:
            return self._answer(message)
        except (InputError, SimulationError) as error:
            return [self._error(error, side)]

    def _answer(self, message: Message) -> list[Message]:
        kind = message.get("type") if isinstance(message, dict) else None
        answers = {"open": self._open, "configure": self._configure, "step": self._step, "run": self._run,
                   "pause": self._pause, "speed": self._speed, "move": self._move}
        if not isinstance(kind, str) or kind not in answers:
            raise InputError(f"no such message; known: {', '.join(answers)}", key="type", value=kind)
        if kind != "open" and self._pair is None:
            raise InputError("nothing is open yet", key="type", value=kind)
        if self.restoring and kind not in ("open", "configure"):
            raise InputError("the state of the link is still being computed; a moment", key="type", value=kind)
        return answers[kind](message)

    # --- time goes on -----------------------------------------------------------------------------------------------

    def go_on(self) -> list[Message]:
        """What there is to say after a frame more: of a run, or of a link that is replayed."""
        try:
            return self._catch_up() if self.restoring else self._step({})
        except (InputError, SimulationError) as error:
            if self.restoring:
                return [self._instead(error), *self._begin(self._usual_pair())]
            self.running = False
            return [self._error(error, None), *self._state()]

    def _catch_up(self) -> list[Message]:
        if not self._pair.catch_up():
            return self._frames(self._pair.frames())
        self.restoring = False
        return self._histories() + self._state()

    # --- messages -----------------------------------------------------------------------------------------------------

    def _open(self, message: Message) -> list[Message]:
        text = message.get("state") or ""
        if not text:
            return self._begin(self._usual_pair())
        try:
            pair = Pair.of_link(text, each=self._each)
        except InputError as error:
            return [*self._begin(self._usual_pair()), self._instead(error)]
        return self._begin(pair, restoring=True)

    def _configure(self, message: Message) -> list[Message]:
        """One side anew; the other follows in workload and load, and both begin again, so that they can be compared."""
        side = _side(message)
        asked = {key: message[key] for key in ("system", "workload", "load", "cores") if key in message}
        usual = {"machine": "", "shares": ()}
        before = [session.configuration.model_dump() for session in self._pair.sides]
        chosen = configuration(**before[side] | usual | asked)
        other = configuration(**before[1 - side] | usual | {"workload": chosen.workload, "load": chosen.load})
        keeps_pace = chosen.workload == before[side]["workload"]
        return self._begin(Pair(
            (chosen, other) if side == 0 else (other, chosen), self._pair.speed_us if keeps_pace else None, self._each,
        ))

    def _step(self, message: Message) -> list[Message]:
        return self._frames(self._pair.step()) + self._link()

    def _run(self, message: Message) -> list[Message]:
        self.running = True
        return self._state()

    def _pause(self, message: Message) -> list[Message]:
        self.running = False
        return self._state()

    def _speed(self, message: Message) -> list[Message]:
        self._pair.pace(message.get("value"))
        return self._link()

    def _move(self, message: Message) -> list[Message]:
        side = _side(message)
        try:
            self._pair.move(side, message.get("core"), message.get("to"))
        except InputError as error:
            return [self._error(error, side), *self._state()]
        return self._state()

    # --- what is said -------------------------------------------------------------------------------------------------

    def _usual_pair(self) -> Pair:
        return Pair(self._usual, each=self._each)

    def _instead(self, error: Exception) -> Message:
        return self._error(f"{error}; here is the usual page instead", None)

    def _begin(self, pair: Pair, restoring: bool = False) -> list[Message]:
        self._pair, self.running, self.restoring = pair, False, restoring
        layouts = [{"type": "layout", "side": side, "layout": session.layout()}
                   for side, session in enumerate(pair.sides)]
        return [self._choices(), *layouts, *self._histories(), *self._state()]

    def _choices(self) -> Message:
        most = max(load.machine(id).topology.cores for id in load.machines())
        return {
            "type": "choices", "session": self.id,
            "systems": [{"id": id, "title": load.system(id).title} for id in load.systems()],
            "workloads": [_offered(offer) for offer in offers()],
            "cores": {"low": 1, "high": most, "value": self._pair.sides[0].configuration.cores},
            "speed": {"low": link.SLOWEST_US, "high": link.FASTEST_US, "value": self._pair.speed_us},
        }

    def _histories(self) -> list[Message]:
        return [{"type": "history", "side": side, "history": session.report()}
                for side, session in enumerate(self._pair.sides)]

    def _state(self) -> list[Message]:
        return self._frames(self._pair.frames()) + self._link()

    def _frames(self, frames: list[tuple[int, dict]]) -> list[Message]:
        told = []
        for side, frame in frames:
            self.latest[side] = frame | {"running": self.running}
            told.append({"type": "frame", "side": side, "frame": self.latest[side]})
        return told

    def _link(self) -> list[Message]:
        return [] if self.restoring else [{"type": "state", "link": self._pair.link()}]

    @staticmethod
    def _error(error: Exception | str, side: int | None) -> Message:
        return {"type": "error", "side": side, "text": " ".join(str(error).split())}


def _is_side(side) -> bool:
    return isinstance(side, int) and not isinstance(side, bool) and side in _BOTH


def _side(message: Message) -> int:
    side = message.get("side")
    if not _is_side(side):
        raise InputError("must be 0 or 1", key="side", value=side)
    return side


def _offered(offer: Offer) -> dict:
    amount = offer.load
    return {
        "id": offer.id, "title": f"{offer.id}: {offer.title}",
        "load": {"name": amount.name, "unit": amount.unit, "low": amount.low, "high": amount.high,
                 "value": amount.value},
    }
