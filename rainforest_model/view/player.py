"""A recorded run as one HTML file: the machine view with Play, Pause and a slider, without Python or network."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Sequence

from ..errors import InputError
from .assets import asset

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<div id="bar"></div>
<div id="machine"></div>
<p id="fault" role="alert"></p>
</main>
<script type="text/plain" id="record">{record}</script>
<script type="module">
{view}
{play}
</script>
</body>
</html>
"""


def player(layout: dict, frames: Sequence[dict], history: Sequence[dict] = ()) -> str:
    """A page that plays a recorded run; it opens from a file and asks nothing of any network.

    Parameters
    ----------
    layout : dict
        The machine, as a live session describes it: sockets, instances, states, unit.
    frames : sequence of dict
        What there was to see, in the order of time (``time`` in µs).
    history : sequence of dict
        Points of the tail chart (``time`` in µs; ``p50``, ``p99`` in the layout's unit; ``n``) from before the first
        frame, or of the whole run: a point that a frame also holds is drawn once.

    Returns
    -------
    str
        HTML.  Equal input gives equal pages.

    Raises
    ------
    InputError
        If there is no frame.

    Examples
    --------
    >>> layout = {"version": 1, "machine": "S-A", "system": "lxc", "title": "LXC", "workload": "mmap", "unit": "us",
    ...           "sockets": [[0, 1]], "instances": [{"number": 0, "name": "Linux"}], "can_move": False,
    ...           "states": ["computing", "idle"], "paper": []}
    >>> frame = {"serial": 1, "time": 10.0, "state": [0, 1], "owner": [0, 0], "share": [0.5, 0.5], "window": None,
    ...          "total": {"p50": 1.0, "p99": 2.0, "n": 9}, "running": False}
    >>> "https://" in player(layout, [frame])
    False
    """
    if not frames:
        raise InputError("a recorded run has at least one frame", key="frames")
    record = {"layout": layout, "frames": list(frames), "history": list(history)}
    packed = gzip.compress(json.dumps(record, separators=(",", ":"), allow_nan=False).encode(), mtime=0)
    return _PAGE.format(
        title=html.escape(f"{layout['title']}: {layout['workload']} on {layout['machine']}"),
        style=asset("player.css"), record=base64.b64encode(packed).decode(),
        view=asset("machine_view.js"), play=asset("player.js"),
    )
