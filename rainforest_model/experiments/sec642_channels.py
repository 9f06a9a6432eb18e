"""Section 6.4.2: the speed of RFloop against loop-back, a virtual card of Xen and a physical card.

The claim: over RFloop netperf's TCP stream is 0.63 times that of the local loop-back, 1.47 times that of a virtual
network card of Xen and 15.95 times that of a physical card; its UDP stream 0.44, 13.02 and 4.34 times.  (Xen's card
is then a third as fast as a physical one with UDP, and eleven times as fast with TCP.)

What we read into it: netperf's own message sizes, 16 KB of TCP and the largest datagram of UDP, and what arrives
counts.  Segments of TCP pass a software channel whole; a datagram is in fragments of the MTU by then, four of them on
loop-back and 45 elsewhere, each with its way through the stack, and it is lost if one of them is.  Xen's back end
drops what finds no posted buffer.  Ends are in two OS instances on cores of their own (loop-back: in one).

Four of the six ratios are fitted (two costs of the stack, two of Xen's card), so they show that the mechanism can be
so, and no more; both ratios to loop-back are predicted, by estimates made with them at hand.  The loss on Xen's card
is a closed form laid on the simulated stream: the engine's queues lose nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .. import paper, plots
from ..descriptions import load
from ..descriptions.channel import Channel
from ..descriptions.program import time_ns
from ..descriptions.scenario import Scenario
from ..results import Results
from ..simulation import Run
from ..stats import Estimate, mean_interval
from ..workloads.channels import MESSAGES, parties, stream_loads, transaction_loads
from .common import Options, Replicated, caption, notes, run_all

TITLE = "speed of RFloop against loop-back, a virtual and a physical network card"
KEYS = ["channel", "test"]
SYSTEMS = {"loopback": "linux-2.6.32", "rfloop": "rainforest", "xen-vnic": "xen", "nic": "rainforest"}
"""The channels of the comparison, and the system under which each runs."""
LABELS = {"loopback": "loop-back", "rfloop": "RFloop", "xen-vnic": "Xen's virtual card", "nic": "physical card"}
CLAIMS = {"loopback": "loopback", "xen-vnic": "xen", "nic": "nic"}
ROWS = {"tcp": "N1", "udp": "N2"}
STREAMS, TRANSACTIONS = "stream", "transactions"
TESTS = {"tcp stream": ("tcp", STREAMS), "udp stream": ("udp", STREAMS), "tcp transactions": ("tcp", TRANSACTIONS)}
MACHINE = "S-B"
WARMUP = "5 ms"
REPLICATIONS = 10


def scenario_of(channel: Channel, system: str, test: str, duration: str) -> Scenario:
    """netperf over a channel: each party in an OS instance of one core; on a shared kernel all in one."""
    protocol, kind = TESTS[test]
    ends, how = parties(channel, protocol), load.system(system)
    apart = how.partitioning.partitioned
    variation = how.kernel.path_variation.plain()
    make, size = (stream_loads, MESSAGES[protocol]) if kind == STREAMS else (transaction_loads, 1)
    loads = make(channel, size, protocol, {party: i * apart for i, party in enumerate(ends)}, variation=variation)
    return Scenario(
        machine=load.machine(MACHINE), system=how, loads=loads, cores=len(ends), partitions=len(ends) if apart else 1,
        duration=duration, warmup=WARMUP,
    )


def describe(options: Options) -> dict[tuple, Scenario]:
    """Every channel with every test."""
    duration = options.span("200 ms", "1 s")
    return {
        (id, test): scenario_of(load.channel(id), system, test, duration)
        for id, system in SYSTEMS.items() for test in TESTS
    }


def rates(run: Run) -> np.ndarray:
    """Messages or transactions a second, one for each replication."""
    seconds = (time_ns(run.scenario.duration) - time_ns(run.scenario.warmup)) / 1e9
    return np.array([outcome.moments[0][0] / seconds for outcome in run.outcomes])


def run(options: Options) -> Results:
    """Simulate all tests; what is told of each is the time at a message that arrives whole, or at a transaction."""
    rule = REPLICATIONS if options.quality == "quick" else 2 * REPLICATIONS
    runs = run_all(describe(options), options, rule)
    rows, forms = [], []
    for (id, test), found in runs.items():
        protocol, kind = TESTS[test]
        channel, size, kept = load.channel(id), MESSAGES[protocol], 1.0
        if kind == STREAMS:
            kept, cores = channel.kept(size, protocol), channel.core_ns(size, protocol)
            forms.append((
                id, test, 8e-9 * channel.throughput(size, protocol), channel.speaks(protocol).packets(size),
                *(cores.get(party, 0.0) / 1e3 for party in ("sender", "host", "receiver")),
                channel.wire_ns(size, protocol) / 1e3, channel.bottleneck(size, protocol), kept,
            ))
        rows += [(id, test, i, "time", 1e6 / (kept * rate)) for i, rate in enumerate(rates(found))]
    frames = {
        "statistics": pd.DataFrame(rows, columns=[*KEYS, "replication", "statistic", "value_us"]),
        "closed": pd.DataFrame(forms, columns=[
            *KEYS, "gbps", "packets", "sender_us", "host_us", "receiver_us", "wire_us", "bottleneck", "kept",
        ]),
    }
    return Results("sec642_channels", options.quality, options.seed, frames, notes(runs, options, rule))


def speed(results: Results, id: str, protocol: str) -> Estimate:
    """What arrives of a stream on a channel, Gb/s, over replications."""
    times = Replicated(results.frames["statistics"], KEYS).values(id, f"{protocol} stream", "time")
    return mean_interval(8e-3 * MESSAGES[protocol] / times)


def ratio(results: Results, other: str, protocol: str) -> Estimate:
    """How many times as fast RFloop is as another channel, over replications."""
    times, test = Replicated(results.frames["statistics"], KEYS), f"{protocol} stream"
    return mean_interval(times.values(other, test, "time") / times.values("rfloop", test, "time"))


def table(results: Results) -> pd.DataFrame:
    """The six ratios beside the paper's.

    Returns
    -------
    DataFrame
        Columns protocol, other, model, low, high, printed, role.
    """
    rows = []
    for protocol, row in ROWS.items():
        for other, name in CLAIMS.items():
            claim, e = paper.claim(f"{row}.{name}"), ratio(results, other, protocol)
            rows.append((protocol, other, e.value, e.low, e.high, claim.value, claim.role))
    return pd.DataFrame(rows, columns=["protocol", "other", "model", "low", "high", "printed", "role"])


def figure(results: Results):
    """What each channel carries, what holds it up, and the ratios beside the paper's."""
    with plots.style():
        fig, axes = plots.new_figure(1, 3, height=3.2, width_ratios=(1, 1.25, 1))
        _draw_speeds(axes[0, 0], results)
        _draw_parts(axes[0, 1], results)
        _draw_ratios(axes[0, 2], results)
    return fig


def _draw_speeds(ax, results: Results) -> None:
    for k, protocol in enumerate(ROWS):
        y, color = np.arange(len(SYSTEMS)), plots.line(k)["color"]
        e = [speed(results, id, protocol) for id in SYSTEMS]
        ax.hlines(y, [x.low for x in e], [x.high for x in e], color=color, linewidth=1.5)
        ax.plot([x.value for x in e], y, linestyle="", marker="os"[k], color=color, label=protocol.upper())
    ax.set_xscale("log")
    ax.set_xlabel("arrives (Gb/s)")
    ax.set_ylabel("channel")
    _rows(ax, [LABELS[id] for id in SYSTEMS])
    _legend(ax, ncols=2)


def _draw_parts(ax, results: Results) -> None:
    labels = {"sender_us": "sender", "host_us": "domain 0", "receiver_us": "receiver", "wire_us": "ring or wire"}
    rows = results.frames["closed"].sort_values("test", kind="stable").reset_index(drop=True)
    for k, (column, label) in enumerate(labels.items()):
        shown = rows[rows[column] > 0]
        ax.plot(shown[column], shown.index, linestyle="", marker="osDx"[k], color=plots.line(k)["color"], label=label)
    ax.set_xscale("log")
    ax.set_xlabel("time at a message (us)")
    ax.set_ylabel("channel and protocol")
    _rows(ax, [f"{LABELS[r.channel]}, {r.test[:3].upper()}" for r in rows.itertuples()])
    _legend(ax, ncols=2)


def _draw_ratios(ax, results: Results) -> None:
    from matplotlib.lines import Line2D

    numbers = table(results)
    for y, row in enumerate(numbers.itertuples()):
        color = plots.line(list(ROWS).index(row.protocol))["color"]
        ax.plot([row.low, row.high], [y, y], color=color, linewidth=1.5)
        ax.plot(row.model, y, "o", color=color, markerfacecolor=color if row.role == "predicted" else "white")
        ax.plot(row.printed, y, "|", color="black", markersize=14)
    ax.set_xscale("log")
    ax.set_xlabel("RFloop is faster (times)")
    ax.set_ylabel("other channel and protocol")
    _rows(ax, [f"{LABELS[r.other]}, {r.protocol.upper()}" for r in numbers.itertuples()])
    looks = {
        "predicted": {"marker": "o"}, "fitted": {"marker": "o", "markerfacecolor": "white"},
        "printed": {"marker": "|", "markersize": 10},
    }
    _legend(ax, handles=[Line2D([], [], color="0.3", linestyle="", label=k, **v) for k, v in looks.items()], ncols=3)


def _rows(ax, labels: list[str]) -> None:
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)


def _legend(ax, **how) -> None:
    ax.legend(loc="lower center", bbox_to_anchor=(0.3, 1.0), fontsize="x-small", columnspacing=0.8, handletextpad=0.2,
              **how)


def describe_figure(results: Results) -> str:
    """The caption, computed from the results."""
    times, numbers = Replicated(results.frames["statistics"], KEYS), table(results)
    speeds = "; ".join(
        f"{LABELS[id]} " + " and ".join(f"{speed(results, id, protocol).value:.2f}" for protocol in ROWS)
        for id in SYSTEMS
    )
    trips = ", ".join(f"{LABELS[id]} {times.estimate(id, 'tcp transactions', 'time').value:.1f}" for id in SYSTEMS)
    predicted = numbers[numbers.role == "predicted"]
    told = ", ".join(f"{r.model:.3f} (printed: {r.printed:g})" for r in predicted.itertuples())
    return (
        f"Streams of TCP and UDP in Gb/s: {speeds}. A transaction of a byte takes, in us: {trips}. "
        f"{len(numbers) - len(predicted)} of {len(numbers)} ratios are fitted (open circles); predicted are those to "
        f"loop-back: {told}. Lines are 95 % intervals. " + caption(results.notes, results.seed)
    )


def verdicts(results: Results) -> list[paper.Verdict]:
    """N1 and N2."""
    closed, found = results.frames["closed"].set_index(KEYS), []
    for protocol, row in ROWS.items():
        for other, name in CLAIMS.items():
            there = closed.loc[(other, f"{protocol} stream")]
            mine = closed.loc[("rfloop", f"{protocol} stream")]
            note = f"the {mine.bottleneck} holds RFloop up, the {there.bottleneck} the other"
            if there.kept < 1:
                note += f", of whose datagrams {100 * there.kept:.0f} % arrive whole"
            found.append(paper.judge_value(paper.claim(f"{row}.{name}"), ratio(results, other, protocol), note))
    return found


def fitted_claims(values: Mapping[str, float], options: Options) -> dict[str, float]:
    """The ratios that the channels are fitted to, in closed form, with other values of the fitted parameters."""
    speeds = {
        (id, protocol): load.channel_of(id, values).throughput(MESSAGES[protocol], protocol)
        for id in SYSTEMS if id != "loopback" for protocol in ROWS
    }
    return {
        f"{row}.{CLAIMS[id]}": speeds["rfloop", protocol] / speeds[id, protocol]
        for protocol, row in ROWS.items() for id in ("nic", "xen-vnic")
    }


FITS = {"channels": fitted_claims}
