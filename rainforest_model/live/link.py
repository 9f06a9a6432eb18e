"""The exact state of a page as a short text for its address, and back.

The text holds no state of a machine, but what leads to it: both configurations, how far time has gone, and every move.
A checksum tells a text that was cut or mistyped; a machine that is replayed compares the number of its events.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib

from pydantic import Field, model_validator

from ..descriptions.parameter import Description, misfit
from ..descriptions.read import validated
from ..errors import InputError
from .configuration import Configuration

VERSION = "r1"
LONGEST_TEXT = 8192
LONGEST_JSON = 2**16
MOST_MOVES = 500
SLOWEST_US, FASTEST_US = 1.0, 1e6
"""Least and most simulated time of a frame."""
_CHECKSUM = 4


class Move(Description):
    """A core that changed hands: when, on which side, and to whom."""

    side: int = Field(ge=0, le=1)
    tick: int = Field(ge=0)
    core: int = Field(ge=0)
    to: int = Field(ge=-1)


class Reached(Description):
    """A machine and how far it has got.

    Attributes
    ----------
    configuration : Configuration
    tick : int
        Its time.
    shares_from : int
        Tick at which the shares that are shown begin.
    events : int
        Events until then.
    """

    configuration: Configuration
    tick: int = Field(ge=0)
    shares_from: int = Field(ge=0)
    events: int = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self):
        if self.shares_from > self.tick:
            raise misfit("shares_from", "lies after the time reached")
        return self


class State(Description):
    """A page: two machines, the pace of time, and the moves in the order in which they were tried."""

    sides: tuple[Reached, Reached]
    speed_us: float = Field(ge=SLOWEST_US, le=FASTEST_US)
    moves: tuple[Move, ...] = Field(default=(), max_length=MOST_MOVES)

    @model_validator(mode="after")
    def _in_order(self):
        for side, reached in enumerate(self.sides):
            ticks = [move.tick for move in self.moves if move.side == side]
            if ticks != sorted(ticks) or (ticks and ticks[-1] > reached.tick):
                raise misfit("moves", "must be in the order of time, and not after the time reached")
        return self


def encode(state: State) -> str:
    """The text of a state: letters, digits, ``-``, ``_`` and a dot.

    Examples
    --------
    >>> machine = Configuration(system="rainforest", workload="mmap", load=12, cores=12)
    >>> start = Reached(configuration=machine, tick=0, shares_from=0, events=0)
    >>> state = State(sides=(start, start), speed_us=200)
    >>> decode(encode(state)) == state
    True
    """
    table = [
        [[*_row(reached.configuration), reached.tick, reached.shares_from, reached.events] for reached in state.sides],
        state.speed_us,
        [[move.side, move.tick, move.core, move.to] for move in state.moves],
    ]
    packed = zlib.compress(json.dumps(table, separators=(",", ":")).encode(), 9)
    checked = binascii.crc32(packed).to_bytes(_CHECKSUM, "big") + packed
    return f"{VERSION}.{base64.urlsafe_b64encode(checked).rstrip(b'=').decode()}"


_CONFIGURATION = tuple(Configuration.model_fields)


def _row(configuration: Configuration) -> list:
    return [list(value) if isinstance(value, tuple) else value
            for value in (getattr(configuration, key) for key in _CONFIGURATION)]


def decode(text: str) -> State:
    """The state that a text holds.

    Raises
    ------
    InputError
        If it is none: broken, of something else, too long, or with a value that does not fit.
    """
    try:
        return validated(State, _table(text), "link")
    except (ValueError, TypeError, zlib.error, binascii.Error, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("is no link of this page", file="link") from None


def _table(text: str) -> dict:
    if not isinstance(text, str) or not text.startswith(f"{VERSION}."):
        raise InputError("is no link of this page, or of another version of it", file="link")
    if len(text) > LONGEST_TEXT:
        raise InputError(f"is longer than {LONGEST_TEXT} characters", file="link")
    letters = text.removeprefix(f"{VERSION}.")
    checked = base64.b64decode(letters + "=" * (-len(letters) % 4), altchars=b"-_", validate=True)
    packed = checked[_CHECKSUM:]
    if binascii.crc32(packed).to_bytes(_CHECKSUM, "big") != checked[:_CHECKSUM]:
        raise InputError("is damaged: its checksum does not fit", file="link")
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(packed, LONGEST_JSON)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise InputError("holds more than a state", file="link")
    sides, speed_us, moves = json.loads(plain)
    width = len(_CONFIGURATION)
    return {
        "sides": tuple(
            {"configuration": dict(zip(_CONFIGURATION, side[:width], strict=True)),
             **dict(zip(("tick", "shares_from", "events"), side[width:], strict=True))} for side in sides
        ),
        "speed_us": speed_us,
        "moves": tuple(dict(zip(("side", "tick", "core", "to"), move, strict=True)) for move in moves),
    }
