"""What a misspelt name may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMES = 40


def hint(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown `word`: the nearest known one, or all of them.

    Examples
    --------
    >>> hint("coers", ["cores", "duration"])
    '; did you mean cores?'
    >>> hint("sockets", ["cores", "duration"])
    '; known: cores, duration'
    """
    known = list(known)
    near = get_close_matches(str(word)[:80], known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    shown = known[:MOST_NAMES] + ["..."] * (len(known) > MOST_NAMES)
    return f"; known: {', '.join(shown)}" if known else "; there are none"
