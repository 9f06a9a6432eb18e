"""Sliders: a function of a few numbers, run anew when one of them is let go."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import InputError
from ..units import DIMENSIONS


@dataclass(frozen=True)
class Slider:
    """A function and the ends of its sliders.

    Attributes
    ----------
    function : function
    start : dict
        Where the sliders stand at first.
    ends : dict of str to tuple
        The two ends of each.
    """

    function: Callable
    start: dict
    ends: dict[str, tuple]

    def cpu_s(self) -> float:
        """Seconds of processor time of the slowest answer, of those at the start and at the ends of each slider."""
        points = [self.start] + [{**self.start, name: end} for name, ends in self.ends.items() for end in ends]
        return max(_cpu_s(self.function, point) for point in points)


shown: dict[str, Slider] = {}
"""Every slider of this session, by its function's name."""


def slider(function: Callable, **ranges) -> None:
    """Show a function with a slider for each argument; it answers when a slider is let go.

    Parameters
    ----------
    function : function
        Its defaults say where the sliders stand at first. What it returns is shown.
    **ranges
        For each argument the two ends ``(low, high)``, with a step ``(low, high, step)``, or a list of numbers; for a
        list of names a menu is shown.

    Raises
    ------
    InputError
        If a range is neither, or an argument has no default within it.
    """
    from ipywidgets import interact

    start = {name: one.default for name, one in inspect.signature(function).parameters.items() if name in ranges}
    if set(start) != set(ranges):
        raise InputError("is no argument of the function", key="slider", value=sorted(set(ranges) - set(start)))
    controls = {name: _control(name, among, start[name]) for name, among in ranges.items()}
    ends = {name: (among[0], among[-1] if isinstance(among, list) else among[1]) for name, among in ranges.items()}
    shown[function.__name__] = Slider(function, start, ends)
    interact(function, **controls)


def label(name: str) -> str:
    """What stands beside the slider of an argument: its name, with a unit of time in brackets.

    Examples
    --------
    >>> label("think_ns"), label("pages_mapped")
    ('think (ns)', 'pages mapped')
    """
    *words, last = name.split("_")
    return " ".join([*words, f"({last})" if words and last in DIMENSIONS["time"] else last])


def _control(name: str, among: tuple | list, start):
    """The widget for a range."""
    import ipywidgets as w

    options = {
        "description": label(name), "value": start, "style": {"description_width": "initial"},
        "layout": w.Layout(width="26em"),
    }
    if isinstance(among, list):
        if start not in among:
            raise InputError("must be one of the values", key=name, value=start)
        if any(isinstance(value, str) for value in among):
            return w.Dropdown(options=among, **options)  # names have no order to slide along
        return w.SelectionSlider(options=among, continuous_update=False, **options)
    if not (isinstance(among, tuple) and len(among) in (2, 3)):
        raise InputError("must be (low, high), (low, high, step) or a list", key=name, value=among)
    low, high = among[:2]
    if start is inspect.Parameter.empty or not low <= start <= high:
        raise InputError("must lie in the range", key=name, value=start)
    step = {"step": among[2]} if len(among) == 3 else {}
    whole = all(isinstance(value, int) for value in (*among, start))
    return (w.IntSlider if whole else w.FloatSlider)(min=low, max=high, continuous_update=False, **step, **options)


def _cpu_s(function: Callable, point: dict) -> float:
    """Processor time of one call, with what it shows."""
    begin = time.process_time()
    function(**point)
    return time.process_time() - begin
