"""Systems side by side: the same program, the same random streams, for one or more numbers of cores."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from numbers import Integral

from .descriptions import load
from .descriptions.machine import Machine
from .descriptions.program import Program
from .descriptions.system import System
from .errors import InputError
from .simulation import DEFAULT, STATISTICS, Run, scenario, simulate
from .stats import Precision, paired_difference

_PANELS = 3
_INTERVAL = ["value_us", "low_us", "high_us", "n"]


@dataclass(frozen=True)
class Runs:
    """The runs of a comparison; ``runs["lxc", 12]`` is one of them.

    Attributes
    ----------
    by_point : dict of (str, int) to Run
        Runs by the system's id and the number of cores.
    """

    by_point: dict[tuple[str, int], Run]

    def __getitem__(self, point: tuple[str, int]) -> Run:
        return self._run(*point)

    @property
    def systems(self) -> list[str]:
        """Ids of the compared systems."""
        return list(dict.fromkeys(system for system, _ in self.by_point))

    @property
    def cores(self) -> list[int]:
        """The compared numbers of cores."""
        return list(dict.fromkeys(cores for _, cores in self.by_point))

    def estimate(self, statistic: str, series: str | None = None):
        """A statistic at every point.

        Parameters
        ----------
        statistic : str
            One of `rainforest_model.simulation.STATISTICS`, or any percentile such as ``"p95"``.
        series : str, optional
            Which latency; the program's first one by default.

        Returns
        -------
        DataFrame
            Columns system, cores, statistic, value_us (mean over replications), low_us and high_us (its
            95 % interval), n (replications).
        """
        import pandas as pd

        rows = []
        for (system, cores), run in self.by_point.items():
            e = run.estimate(statistic, series)
            rows.append((system, cores, statistic, e.value, e.low, e.high, e.n))
        return pd.DataFrame(rows, columns=["system", "cores", "statistic", *_INTERVAL])

    def tail(self, p: float = 0.99, series: str | None = None):
        """The percentile `p` (0 .. 1) at every point, as `estimate` gives it."""
        return self.estimate(f"p{100 * p:g}", series)

    def table(self, statistics: Iterable[str] = STATISTICS, series: str | None = None):
        """Several statistics at every point, one below the other, as `estimate` gives them."""
        import pandas as pd

        return pd.concat([self.estimate(name, series) for name in statistics], ignore_index=True)

    def difference(self, a: str, b: str, statistic: str = "p99", series: str | None = None):
        """How much larger a statistic is on system `a` than on `b`, paired by common random numbers.

        Replication i of both met the same random streams, so their difference is known better than
        either of them.

        Parameters
        ----------
        a, b : str
            Ids of compared systems.
        statistic, series
            As in `estimate`.

        Returns
        -------
        DataFrame
            Columns cores, statistic, value_us (mean of a - b), low_us and high_us (its 95 % interval),
            n (pairs): a row for each number of cores.

        Raises
        ------
        InputError
            If one of the systems was not compared.
        """
        import pandas as pd

        rows = []
        for cores in self.cores:
            x, y = (self._run(system, cores).replicated(statistic, series) for system in (a, b))
            pairs = min(len(x), len(y))
            e = paired_difference(x[:pairs], y[:pairs])
            rows.append((cores, statistic, e.value, e.low, e.high, e.n))
        return pd.DataFrame(rows, columns=["cores", "statistic", *_INTERVAL])

    def plot(self, series: str | None = None):
        """Cumulative distributions, a panel for each number of cores; the y axis counts nines.

        Returns
        -------
        matplotlib Figure
            A notebook shows it; ``figure.savefig("mine.png")`` keeps it.
        """
        from . import plots

        columns = min(_PANELS, len(self.cores))
        rows = -(-len(self.cores) // columns)
        width = plots.PAGE if columns > 1 else plots.COLUMN
        looks = [plots.system_line(system) for system in self.systems]
        if any(look in looks[:i] for i, look in enumerate(looks)):
            looks = [plots.line(i) for i in range(len(looks))]
        with plots.style():
            figure, grid = plots.new_figure(rows, columns, width, 0.6 + 2.4 * rows, sharex=True, sharey=True)
            panels = list(grid.flat)
            for ax, cores in zip(panels, self.cores, strict=False):
                for system, look in zip(self.systems, looks, strict=True):
                    run = self._run(system, cores)
                    ax.step(*run.cdf(series), where="post", label=run.scenario.system.title, **look)
                plots.nines(ax)
                ax.set_title(f"{cores} core{'s' * (cores > 1)}")
                ax.set_ylabel(ax.get_ylabel() if ax in grid[:, 0] else "")
            for ax in panels[len(self.cores):]:
                ax.set_visible(False)
            latencies = [self._run(system, cores).cdf(series)[0] for system, cores in self.by_point]
            low, high = min(values[0] for values in latencies), max(values[-1] for values in latencies)
            _latency_axis(panels[0], low, high)
            for ax in panels[max(0, len(self.cores) - columns):len(self.cores)]:
                ax.set_xlabel(f"latency of {series or self._any.series[0]} (us)")
                ax.tick_params(labelbottom=True)
            handles = panels[0].get_legend_handles_labels()
            figure.legend(*handles, loc="outside lower center", ncols=5 if columns > 1 else 2)
        told = f"Latency of {', '.join(self.systems)} as cumulative distributions. {self.caption}"
        # A figure off the screen's event loop has no other way to show itself in a notebook.
        figure._repr_png_ = lambda: (plots.encode(figure, "png"), {"width": round(100 * width), "alt": told})
        return figure

    @property
    def caption(self) -> str:
        """How the numbers came about."""
        n = sorted({len(run.outcomes) for run in self.by_point.values()})
        counts = f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}"
        samples = sum(run.samples for run in self.by_point.values())
        return (
            f"{counts} replications of {self._any.scenario.duration} for each curve ({samples:,} samples in "
            f"all), common random numbers, seed {self._any.seed}."
        )

    @property
    def _any(self) -> Run:
        return next(iter(self.by_point.values()))

    def _run(self, system: str, cores: int) -> Run:
        if system not in self.systems:
            known = ", ".join(self.systems)
            raise InputError(f"was not compared; known: {known}", key="system", value=system)
        if cores not in self.cores:
            known = ", ".join(map(str, self.cores))
            raise InputError(f"was not compared; known: {known}", key="cores", value=cores)
        return self.by_point[system, cores]

    def __repr__(self) -> str:
        what = self._any.scenario
        where = f"{what.loads[0].program.id} on {what.machine.id}"
        return f"<Runs {where}: {', '.join(self.systems)}; {', '.join(map(str, self.cores))} cores>"


def compare(
    systems: str | System | Iterable[str | System], program: str | Program, machine: str | Machine,
    cores: int | Iterable[int] | None = None, *, replications: int | Precision = DEFAULT, seed: int = 1,
    jobs: int = 1, **scenario_options,
) -> Runs:
    """Simulate one program on several systems, with the same random streams on each.

    Parameters
    ----------
    systems : System or str, or several
        Descriptions, or ids of shipped ones.
    program, machine : description or str
    cores : int or several, optional
        Numbers of cores in use; all of the machine's by default.
    replications, seed
        As in `rainforest_model.simulation.simulate`.
    jobs : int
        Points simulated at the same time; the result does not depend on it.
    **scenario_options
        As in `rainforest_model.simulation.scenario`: partitions, processes, threads, pinned, duration and
        so on; each a value, or a function of the number of cores.  Unless `partitions` is given, every
        core is one: an OS instance of its own where the system has them, else a copy of the load.

    Returns
    -------
    Runs

    Raises
    ------
    InputError
        If something does not fit, or two systems have the same id.
    SimulationError
        As `rainforest_model.simulation.replicate`.

    Examples
    --------
    >>> systems = ["linux-2.6.32", "rainforest"]
    >>> runs = compare(systems, "mmap", "S-A", cores=[2, 12], replications=3, duration="3 ms")
    >>> runs
    <Runs mmap on S-A: linux-2.6.32, rainforest; 2, 12 cores>
    >>> list(runs.tail(0.99).columns)
    ['system', 'cores', 'statistic', 'value_us', 'low_us', 'high_us', 'n']
    >>> (runs.difference("linux-2.6.32", "rainforest").low_us > 1).tolist()
    [False, True]
    """
    machine = load.machine(machine) if isinstance(machine, str) else machine
    several = [systems] if isinstance(systems, (str, System)) else list(systems)
    several = [load.system(system) if isinstance(system, str) else system for system in several]
    ids = [system.id for system in several]
    if not ids or len(set(ids)) < len(ids):
        raise InputError("must be one or more systems of different ids", key="systems", value=ids)
    cores = machine.topology.cores if cores is None else cores
    counts = [cores] if isinstance(cores, Integral) else list(cores)
    if not counts or not all(isinstance(count, Integral) for count in counts):
        raise InputError("must be one or more numbers of cores", key="cores", value=cores)
    if jobs < 1:
        raise InputError("must be at least 1", key="jobs", value=jobs)
    options = {"partitions": lambda count: count, **scenario_options}
    scenarios = {}
    for system in several:
        for count in counts:
            told = {key: value(count) if callable(value) else value for key, value in options.items()}
            scenarios[system.id, int(count)] = scenario(machine, system, program, cores=int(count), **told)

    def one(point: tuple[str, int]) -> Run:
        return simulate(
            scenarios[point], replications=replications, seed=seed, name=f"{point[0]}, {point[1]} cores"
        )

    with ThreadPoolExecutor(jobs) as pool:
        return Runs(dict(zip(scenarios, pool.map(one, scenarios), strict=True)))


def _latency_axis(axes, low: float, high: float) -> None:
    """A logarithmic axis labelled at 1, 2 and 5, or at powers of ten where it spans many."""
    from . import plots

    plots.log_axis(axes, low * 0.95, high * 1.05)
    if high > 200 * low:
        from matplotlib.ticker import LogLocator

        axes.xaxis.set_major_locator(LogLocator())
