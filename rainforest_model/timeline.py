"""The timeline of a live machine as a picture: who has how many cores, and the tail of the one that the policy serves.

`figure` draws it up to a moment, `animation` as a page that moves without Python, and `player` steps a machine on in a
notebook and draws as it goes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from . import plots
from .supervision.operation import seconds
from .supervision.policy import PolicyError

if TYPE_CHECKING:
    import pandas as pd

    from .supervision.machine import ElasticMachine

MOST_FRAMES = 60
"""Frames of an animation, each some 30 KB of its page."""
FRAMES_A_SECOND = 5
_NARROWEST_MS = (100.0, 400.0)
"""The axis of tails reaches over this at least, so that a picture that grows does not jump at each window."""
_STEPS = (1, 2, 5)


def figure(timeline: pd.DataFrame, until_s: float, marks_ms: Sequence[float] = (), now_s: float | None = None):
    """Cores above, tail below.

    Parameters
    ----------
    timeline : DataFrame
        As `rainforest_model.supervision.ElasticMachine.timeline`; its first row's instance is the critical one.
    until_s : float
        Where the time axis ends.
    marks_ms : sequence of float
        Tails at which lines are drawn, such as a policy's bounds.
    now_s : float, optional
        Nothing later is drawn, on the same axes; by default all of it is.

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [(10, "search", 6, 120.0), (10, "batch", 6, None), (20, "search", 5, 190.0), (20, "batch", 7, None)]
    >>> picture = figure(pd.DataFrame(rows, columns=["time_s", "instance", "cores", "tail_ms"]), until_s=60)
    >>> [axes.get_ylabel() for axes in picture.axes]
    ['cores', 'tail (ms)']
    """
    with plots.style():
        drawn, axes = plots.new_figure(2, 1, height=3.6, sharex=True)
        _draw(axes[:, 0], timeline, until_s, marks_ms, now_s)
    return drawn


def describe(timeline: pd.DataFrame, above_ms: float) -> str:
    """What a timeline shows, in words.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [(10, "search", 6, 120.0), (20, "search", 5, 190.0)]
    >>> describe(pd.DataFrame(rows, columns=["time_s", "instance", "cores", "tail_ms"]), above_ms=150)
    'Up to 20 s search has 5 to 6 cores; its tail lies above 150 ms in 1 of 2 windows.'
    """
    if not len(timeline):
        return "No window has ended yet."
    name = timeline.instance.iloc[0]
    own = timeline[timeline.instance == name]
    least, most, above = own.cores.min(), own.cores.max(), int((own.tail_ms > above_ms).sum())
    return (
        f"Up to {own.time_s.iloc[-1]:g} s {name} has {least} to {most} cores; its tail lies above {above_ms:g} ms in "
        f"{above} of {len(own)} windows."
    )


def animation(timeline: pd.DataFrame, until_s: float, marks_ms: Sequence[float] = ()) -> str:
    """The same as a page that moves: HTML with all its pictures inside, which needs no Python and no network.

    Parameters
    ----------
    timeline, until_s, marks_ms
        As for `figure`.

    Returns
    -------
    str
        HTML; at most `MOST_FRAMES` moments, evenly over the windows.
    """
    import matplotlib as mpl
    from matplotlib.animation import FuncAnimation

    ends = timeline.time_s.unique()
    moments = ends[np.unique(np.linspace(0, len(ends) - 1, min(len(ends), MOST_FRAMES)).round().astype(int))]
    with plots.style(), mpl.rc_context({"savefig.dpi": 100}):
        drawn, axes = plots.new_figure(2, 1, height=3.6, sharex=True)
        # Laid out once, for the last moment, so that nothing jumps.
        _draw(axes[:, 0], timeline, until_s, marks_ms, None)
        drawn.draw_without_rendering()
        drawn.set_layout_engine("none")
        moving = FuncAnimation(
            drawn, lambda now_s: _draw(axes[:, 0], timeline, until_s, marks_ms, now_s), frames=moments.tolist(),
            init_func=lambda: None,
        )
        return _on_its_own(moving.to_jshtml(fps=FRAMES_A_SECOND, embed_frames=True, default_mode="once"))


_SIGNS = {
    "minus": "−", "fast-backward": "⏮", "step-backward": "⏪", "play fa-flip-horizontal": "◀", "pause": "⏸", "play": "▶",
    "step-forward": "⏩", "fast-forward": "⏭", "plus": "+",
}


def _on_its_own(page: str) -> str:
    """matplotlib's page without the font that it loads from elsewhere for its buttons: with plain signs on them."""
    page = re.sub(r"<link[^>]*>", "", page)
    return re.sub(r'<i class="fa fa-([^"]*)"></i>', lambda icon: _SIGNS[icon[1]], page)


def player(machine: ElasticMachine, until_s: float, marks_ms: Sequence[float] = (), between_ms: int = 400):
    """Buttons and a slider that step a live machine on, window by window, and draw it.

    Between two steps the machine is yours: commands to its `rfm` take effect from the next one on.

    Parameters
    ----------
    machine : ElasticMachine
    until_s : float
        How far it can go.
    marks_ms : sequence of float
        As for `figure`.
    between_ms : int
        Time between two steps of Play, in ms of the reader's clock.

    Returns
    -------
    ipywidgets.VBox
        Of the controls, the picture and a line of text.  Going back shows the past again; the machine stays.
    """
    from ipywidgets import HTML, HBox, Image, IntSlider, Play, VBox, jslink

    windows = max(1, math.floor(until_s / seconds(machine.interval_ticks)))
    play = Play(min=0, max=windows, interval=between_ms)
    slider = IntSlider(0, 0, windows, description="window")
    picture, words = Image(format="png", width=700), HTML()
    jslink((play, "value"), (slider, "value"))

    def show(window: int) -> None:
        stopped = ""
        try:
            while machine.timeline.time_s.nunique() < window:
                machine.step()
        except PolicyError as error:
            stopped = f" {error}"
            play.max = slider.max = machine.timeline.time_s.nunique()
        rows = machine.timeline
        now_s = rows.time_s.unique()[window - 1] if 0 < window <= rows.time_s.nunique() else None
        seen = rows if now_s is None else rows[rows.time_s <= now_s]
        picture.value = plots.encode(figure(rows, until_s, marks_ms, 0.0 if window == 0 else now_s), "png")
        words.value = f"{describe(seen, max(marks_ms, default=0.0)) if window else 'Press Play.'}{stopped}"

    slider.observe(lambda change: show(change.new), "value")
    show(0)
    return VBox([HBox([play, slider]), picture, words])


# --- drawing ----------------------------------------------------------------------------------------------


def _draw(axes, timeline: pd.DataFrame, until_s: float, marks_ms: Sequence[float], now_s: float | None) -> None:
    shown = timeline if now_s is None else timeline[timeline.time_s <= now_s]
    for each in axes:
        each.clear()
        each.grid(visible=True)
    _draw_cores(axes[0], shown, list(dict.fromkeys(timeline.instance)), _most_cores(timeline))
    _draw_tail(axes[1], shown, timeline, marks_ms)
    axes[0].set_xlim(0, until_s)
    axes[1].set_xlabel("time (s)")


def _most_cores(timeline: pd.DataFrame) -> int:
    return int(timeline.groupby("time_s").cores.sum().max()) if len(timeline) else 1


def _draw_cores(axes, shown: pd.DataFrame, names: list[str], most: int) -> None:
    """Stacked, an area for each instance; what is on top of all is nobody's."""
    wide = shown.pivot_table(index="time_s", columns="instance", values="cores", aggfunc="last").fillna(0)
    times = np.concatenate([[0.0], wide.index.to_numpy(float)])
    below = np.zeros(len(times))
    for k, name in enumerate(names):
        own = wide[name].to_numpy(float) if name in wide else np.zeros(len(wide))
        top = below + np.concatenate([own[:1] if len(own) else [0.0], own])
        colour = plots.line(k)["color"]
        axes.fill_between(times, below, top, step="pre", color=colour, alpha=0.35, lw=0, label=name)
        axes.step(times, top, where="pre", color=colour, lw=1)
        below = top
    axes.set_ylim(0, max(most, 1))
    axes.set_yticks(range(0, most + 1, max(1, most // 4)))
    axes.set_ylabel("cores")
    if names:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(names))


def _draw_tail(axes, shown: pd.DataFrame, timeline: pd.DataFrame, marks_ms: Sequence[float]) -> None:
    low, high = _tail_range(timeline)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    ticks = [k * 10.0**power for power in range(-3, 8) for k in _STEPS if low <= k * 10.0**power <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("tail (ms)")
    for mark in marks_ms:
        axes.axhline(mark, color="0.4", lw=0.8, ls=(0, (4, 3)))
        axes.annotate(f"{mark:g}", (1, mark), xycoords=("axes fraction", "data"), xytext=(2, 0),
                      textcoords="offset points", fontsize=6, color="0.4", va="center")
    if not len(shown):
        return
    name = timeline.instance.iloc[0]
    own = shown[shown.instance == name]
    tails = own.tail_ms.to_numpy(float)
    look = {"color": plots.line(0)["color"]}
    axes.plot(own.time_s, tails, marker="o", lw=0.8, clip_on=False, **look)
    # Requests came, and none was answered.
    stuck = np.isnan(tails) & (own.arrived.to_numpy() > 0) if "arrived" in own else np.isnan(tails)
    axes.plot(own.time_s[stuck], np.full(stuck.sum(), high), ls="", marker="^", clip_on=False, **look)


def _tail_range(timeline: pd.DataFrame) -> tuple[float, float]:
    """Limits at 1, 2 or 5 times a power of ten around the critical instance's tails."""
    least, most = _NARROWEST_MS
    if len(timeline):
        tails = timeline[timeline.instance == timeline.instance.iloc[0]].tail_ms.to_numpy(float)
        tails = tails[np.isfinite(tails) & (tails > 0)]
        if len(tails):
            least, most = min(least, tails.min()), max(most, tails.max())
    steps = [k * 10.0**power for power in range(-4, 9) for k in _STEPS]
    return max(step for step in steps if step <= least), min(step for step in steps if step >= most)
