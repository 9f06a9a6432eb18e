"""A line of text that a notebook shows as Markdown and a terminal as it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """What a notebook says about an answer.

    Attributes
    ----------
    text : str
        Markdown.

    Examples
    --------
    >>> Told("**Right.**")
    **Right.**
    """

    text: str

    def _repr_markdown_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


def number(value: float) -> str:
    """A number to three digits, without an exponent where a reader can do without.

    Examples
    --------
    >>> number(12345.6), number(0.01234), number(3)
    ('12,300', '0.0123', '3')
    """
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.2e}"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"
