"""Who runs where: how much slower each computes, by last-level cache and memory bandwidth.

Two equilibria are solved together:

- *Cache.* The groups on a socket push each other's lines out.  All lines live equally long, so a group holds
  as much as it inserts in that time: occupancy is in proportion to misses a second (StatCC), up to the working
  set; what one cannot use the others take.
- *Bandwidth.* Each socket's memory and the links to the other sockets are servers, whose latency grows as
  ``L0 * (1 + queueing * rho / (1 - rho))``, as it does up to `BUSIEST`.  A server that is asked for more than its
  capacity makes everyone wait until what is asked for is the capacity.

Misses decide the demand, demand the latency, latency the speed, and speed the misses a second: a fixed point, found
by damped iteration.  In each one the caches are divided exactly for the latencies, and then each server's latency is
solved exactly for the misses.

What follows from it: where all memory is local, a further thread slows everybody on its socket and nobody else,
with one exception, that threads on common data (``sharing = "process"``) together keep more of it in the cache.
Where memory is remote, somebody slowed here asks less of the memory there, which may be a relief to third parties;
and one who streams hard enough to queue behind itself may gain a little by two memories instead of one (some 2 %).

References
----------
Eklov, D., Black-Schaffer, D., & Hagersten, E. (2011). Fast modeling of shared caches in multicore systems. *HiPEAC*.

Hartstein, A., Srinivasan, V., Puzak, T. R., & Emma, P. G. (2006). Cache miss behavior: is it √2?
*Computing Frontiers*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from .descriptions.footprint import Footprint
from .descriptions.machine import Machine
from .errors import InputError

__all__ = ["BUSIEST", "LINE", "Group", "MemoryModel", "Pressure"]

LINE = 64
"""Bytes of a cache line."""
BUSIEST = 0.95
"""Latency grows with utilisation up to here; then only a full server makes one wait longer."""
KNEE = 0.9
"""From this share of the working set on, misses fall linearly from the power law to the compulsory ones:
a cliff would leave mixes without an equilibrium, for ever between fitting and not fitting."""

TOLERANCE = 1e-10
"""Equilibrium: no latency and no occupancy changes by more than this part of itself in an iteration."""
ITERATIONS = 500
PRECISION = 1e-12
"""Of the searches within an iteration: of a utilisation, or of the part of a cache that is filled."""
KEPT = 2**17
"""Mixes whose answers are kept: some 200 MB if all are, where each takes a millisecond to solve."""

Running = tuple[tuple[int, ...], ...]
Table = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Group:
    """Threads of one footprint whose memory lies alike.

    Attributes
    ----------
    footprint : Footprint
    remote : float
        Share of its misses that the memory of other sockets serves, evenly; 0 .. 1.
    home : int, optional
        The one socket that has all of its memory: threads elsewhere find nothing near them.
    """

    footprint: Footprint
    remote: float = 0.0
    home: int | None = None

    def __post_init__(self):
        if not 0 <= self.remote <= 1:
            raise InputError("a share lies in 0 .. 1", key="remote", value=self.remote)


@dataclass(frozen=True)
class Pressure:
    """The equilibrium of a mix of running threads.

    Attributes
    ----------
    slowdowns, occupancies, misses : tuple of tuples of float
        By socket and group: time of a computation relative to one thread alone; bytes of the socket's cache
        that the group holds; misses of a thousand instructions.  1, 0 and 0 where the group does not run.
    bandwidth, latency : tuple of float
        By socket: bytes a second that its memory serves, and the ns that it takes for a local line.
    link_bandwidth, link_latency : tuple of float
        By socket: bytes a second that its threads move to and from the memory of the others, and the ns
        on top of `latency`.
    iterations : int
        How many it took.
    """

    slowdowns: Table
    occupancies: Table
    misses: Table
    bandwidth: tuple[float, ...]
    latency: tuple[float, ...]
    link_bandwidth: tuple[float, ...]
    link_latency: tuple[float, ...]
    iterations: int


class MemoryModel:
    """Slowdown of each group by who runs where.

    Parameters
    ----------
    machine : Machine
    groups : sequence of Group
        Answers are in their order.

    Raises
    ------
    InputError
        If a group's memory is remote on a machine of one socket.

    Notes
    -----
    Remote lines pay ``remote_latency``: the memory's part of it, ``local_latency``, grows with the memory's load,
    the rest with that of the links.  They are spread evenly over the other sockets, whatever the hops, and each pair
    of sockets has a link of ``link_bandwidth``, on which a group's lines and write-backs share the way.

    Examples
    --------
    A program that streams, and one that lives in 10 MB of cache:

    >>> from rainforest_model.descriptions.load import machine
    >>> from rainforest_model.descriptions.parameter import Parameter
    >>> def footprint(id, **values):
    ...     units = {"cache": "MB", "working_set": "MB"}
    ...     return Footprint(id=id, **{
    ...         key: Parameter(value=value, unit=units.get(key, "ratio"), range=(value, value), basis="derived",
    ...                        source="an example") for key, value in values.items()})
    >>> stream = footprint("stream", cpi=0.6, mpki=14, cache=12, exponent=0, working_set=4096, compulsory=0,
    ...                    overlap=4, write_back=0.3)
    >>> index = footprint("index", cpi=0.7, mpki=4, cache=6, exponent=0.5, working_set=10, compulsory=0.1,
    ...                   overlap=2, write_back=0.1)
    >>> model = MemoryModel(machine("S-A"), [Group(stream), Group(index)])
    >>> model.slowdowns(((0, 1), (0, 0)))
    ((1.0, 1.0), (1.0, 1.0))
    >>> here, there = model.slowdowns(((4, 1), (0, 1)))
    >>> [round(slowdown, 2) for slowdown in here], there
    ([1.16, 2.36], (1.0, 1.0))
    """

    def __init__(self, machine: Machine, groups: Sequence[Group]):
        memory, clock = machine.memory, machine.clock_ghz
        self.machine, self.groups = machine, tuple(groups)
        self._sockets = machine.topology.sockets
        for k, group in enumerate(self.groups):
            if group.remote and self._sockets == 1:
                raise InputError("the machine has no other socket", key=f"groups.{k}.remote", value=group.remote)
            if group.home is not None and not 0 <= group.home < self._sockets:
                raise InputError(f"the machine has {self._sockets} sockets", key=f"groups.{k}.home", value=group.home)
        self._cache = memory.llc_per_socket.plain()
        self._hit = memory.llc_latency.ns(clock)
        self._programs = tuple(_Program(group.footprint, machine) for group in self.groups)
        local, remote = memory.local_latency.ns(clock), memory.remote_latency.ns(clock)
        queueing = memory.queueing.plain()
        dram = _Server(local, queueing, memory.socket_bandwidth.plain() / 1e9)
        # One link to each other socket, all equally loaded, act as one.
        links = (self._sockets - 1) * memory.link_bandwidth.plain() / 1e9
        link = _Server(max(remote - local, 0.0), queueing, links)
        self._servers = (dram,) * self._sockets + (link,) * self._sockets
        self._alone = tuple(self._time_alone(k) for k in range(len(self.groups)))
        self._solved = lru_cache(maxsize=KEPT)(self._solve)

    def slowdowns(self, running: Running) -> Table:
        """Time of a computation relative to that of one thread alone on the machine, all of its memory local.

        Parameters
        ----------
        running : tuple of tuples of int
            Threads that run now, by socket and group.

        Returns
        -------
        tuple of tuples of float
            By socket and group; 1.0 where none runs.

        Raises
        ------
        ArithmeticError
            If no equilibrium is found within `ITERATIONS`.
        """
        self._check(running)
        if self._apart(running):
            idle = (0,) * len(self.groups)
            return tuple(
                self._solved(tuple(counts if j == s else idle for j in range(self._sockets))).slowdowns[s]
                for s, counts in enumerate(running)
            )
        if all(group.home is None for group in self.groups):
            # Sockets are all alike, so one order of them stands for every other.
            order = sorted(range(self._sockets), key=running.__getitem__)
            solved = self._solved(tuple(running[s] for s in order)).slowdowns
            return tuple(solved[order.index(s)] for s in range(self._sockets))
        return self._solved(running).slowdowns

    def _apart(self, running: Running) -> bool:
        """Whether no thread uses another socket's memory, so that each socket is a matter of its own."""
        return all(
            not count or (group.remote == 0 if group.home is None else group.home == s)
            for s, counts in enumerate(running) for group, count in zip(self.groups, counts, strict=True)
        )

    def pressure(self, running: Running) -> Pressure:
        """The whole equilibrium behind `slowdowns`: bandwidths, latencies and occupancies too."""
        return self._solved(running)

    def _time_alone(self, k: int) -> float:
        """Time of an instruction (ns) of one thread of group `k`, whose own misses still load the memory."""
        alone = _Runner(self._programs[k], 1, ((0, 1.0),))
        self._equilibrium([[alone]], ((1,),))
        return alone.time

    def _solve(self, running: Running) -> Pressure:
        self._check(running)
        present = [
            {k: self._runner(s, k, count) for k, count in enumerate(counts) if count}
            for s, counts in enumerate(running)
        ]
        latency, iterations = self._equilibrium([list(here.values()) for here in present], running)
        everywhere = [runner for here in present for runner in here.values()]
        # Bytes/ns are GB/s.
        served = [1e9 * sum(r.traffic * r.weight(j) for r in everywhere) for j in range(2 * self._sockets)]

        def table(of: Callable[[int, _Runner], float], absent: float) -> Table:
            return tuple(
                tuple(of(k, here[k]) if k in here else absent for k in range(len(self.groups))) for here in present
            )

        return Pressure(
            slowdowns=table(lambda k, runner: runner.time / self._alone[k], 1.0),
            occupancies=table(lambda k, runner: runner.copies * runner.share, 0.0),
            misses=table(lambda k, runner: 1000 * runner.misses, 0.0),
            bandwidth=tuple(served[: self._sockets]), latency=tuple(latency[: self._sockets]),
            link_bandwidth=tuple(served[self._sockets :]), link_latency=tuple(latency[self._sockets :]),
            iterations=iterations,
        )

    def _check(self, running: Running) -> None:
        if len(running) != self._sockets or any(len(counts) != len(self.groups) for counts in running):
            shape = f"{self._sockets} sockets x {len(self.groups)} groups"
            raise InputError(f"threads are needed for {shape}", key="running", value=running)
        if any(count < 0 for counts in running for count in counts):
            raise InputError("threads are not negative", key="running", value=running)

    def _runner(self, socket: int, k: int, count: int) -> _Runner:
        group = self.groups[k]
        remote = group.remote if group.home is None else float(socket != group.home)
        ways = [(socket, 1 - remote)] if remote < 1 else []
        if remote:
            others = [s for s in range(self._sockets) if s != socket] if group.home is None else [group.home]
            ways += [(s, remote / len(others)) for s in others] + [(self._sockets + socket, remote)]
        return _Runner(self._programs[k], count, tuple(ways))

    def _equilibrium(self, sockets: list[list[_Runner]], running: Running) -> tuple[list[float], int]:
        """Leave every runner with its share, misses and time; give the servers' latencies and the iterations."""
        unloaded = [server.latency for server in self._servers]
        latency = unloaded.copy()
        customers = {
            j: ways for j in range(len(latency))
            if (ways := [(r, r.weight(j)) for here in sockets for r in here if r.weight(j)])
        }
        ages: list[float | None] = [None] * len(sockets)
        damping = 1.0
        steps: list[list[float]] = []
        for iteration in range(1, ITERATIONS + 1):
            change = 0.0
            for s, here in enumerate(sockets):
                held = [runner.share for runner in here]
                for runner in here:
                    runner.wait(latency, self._hit)
                ages[s] = _divide(self._cache, here, ages[s])
                change = max(change, *(_gap(r.share, old) for r, old in zip(here, held, strict=True)), 0.0)
            start = latency.copy()
            for j, ways in customers.items():
                solved = self._servers[j].solve(j, ways, latency, self._hit)
                change = max(change, _gap(solved, latency[j]))
                latency[j] += damping * (solved - latency[j])
            if change <= TOLERANCE:
                for here in sockets:
                    for runner in here:
                        runner.wait(latency, self._hit)
                return latency, iteration
            steps = [*steps[-2:], [new - old for new, old in zip(latency, start, strict=True)]]
            # Steps to and fro go too far; then trust returns slowly.
            swings = len(steps) > 1 and _slope(*steps[-2:]) < -0.25
            damping = max(damping / 2, 1 / 16) if swings else min(1.1 * damping, 1.0)
            if ahead := _ahead(*steps):
                latency = [max(t + more, idle) for t, more, idle in zip(latency, ahead, unloaded, strict=True)]
                steps = []
        raise ArithmeticError(
            f"cache and bandwidth found no equilibrium in {ITERATIONS} iterations (last change {change:.1e}) "
            f"for running = {running} of {', '.join(group.footprint.id for group in self.groups)}"
        )


class _Program:
    """A footprint on a machine, in ns, bytes and misses of an instruction."""

    def __init__(self, footprint: Footprint, machine: Machine):
        self.compute = footprint.cpi.plain() / machine.clock_ghz
        self.exponent = footprint.exponent.plain()
        self.law = footprint.mpki.plain() / 1000 * footprint.cache.plain() ** self.exponent
        self.working_set = footprint.working_set.plain()
        self.compulsory = footprint.compulsory.plain() / 1000
        self.overlap = footprint.overlap.plain()
        self.bytes = LINE * (1 + footprint.write_back.plain())
        # A core cannot have its lines faster, however many are under way.
        self.pace = self.bytes / (machine.memory.core_bandwidth.plain() / 1e9)
        self.together = footprint.sharing == "process"
        self.knee = KNEE * self.working_set
        self.knee_misses = max(self.compulsory, self.law * self.knee**-self.exponent)
        self.descent = (self.knee_misses - self.compulsory) / (self.working_set - self.knee)

    def misses(self, share: float) -> float:
        """Misses of an instruction with `share` bytes of cache."""
        if share >= self.working_set or not self.law:
            return self.compulsory
        if share > self.knee:
            return self.knee_misses - self.descent * (share - self.knee)
        return max(self.compulsory, self.law * share**-self.exponent)

    def time(self, misses: float, extra: float) -> float:
        """Ns of an instruction whose misses take `extra` ns longer than hits."""
        return max(self.compute + misses * extra / self.overlap, misses * self.pace)

    def share(self, inserting: float, extra: float) -> float:
        """Bytes held, ``share = inserting * misses(share) / time``: what is inserted in a line's life.

        `inserting` is that life times the threads, in units of bytes a miss.  Each case is the root of its own
        piece of the miss curve; all rise with `inserting`.
        """
        stall = extra / self.overlap
        streaming = inserting * self.compulsory / (self.compute + self.compulsory * stall)
        if streaming >= self.working_set:
            share = self.working_set
        else:
            share = max(streaming, self._on_the_law(inserting, stall))
            if share > self.knee:
                share = self._past_the_knee(inserting, stall)
        return min(share, inserting / self.pace)

    def _on_the_law(self, inserting: float, stall: float) -> float:
        """Root of ``share * (compute * share**exponent + law * stall) = inserting * law``, by Newton's method."""
        law, exponent, compute = self.law, self.exponent, self.compute
        if not law:
            return 0.0
        share = (inserting * law / compute) ** (1 / (1 + exponent))
        if stall:
            share = min(share, inserting / stall)
        # The left side is convex and we start above the root, so every step goes down to it.
        for _ in range(50):
            bent = compute * share**exponent
            step = (share * (bent + law * stall) - inserting * law) / ((1 + exponent) * bent + law * stall)
            share -= step
            # Quadratic: the next step would be about the square of this one.
            if step <= 1e-7 * share:
                break
        return share

    def _past_the_knee(self, inserting: float, stall: float) -> float:
        """Root where misses fall linearly, ``misses = origin - descent * share``: a quadratic."""
        origin = self.knee_misses + self.descent * self.knee
        linear = self.compute + stall * origin + inserting * self.descent
        constant = inserting * origin
        root = math.sqrt(max(linear * linear - 4 * stall * self.descent * constant, 0.0))
        return min(2 * constant / (linear + root), self.working_set)


class _Runner:
    """The threads of a group on a socket: what they hold, and how fast they are."""

    __slots__ = ("copies", "count", "extra", "inserting", "misses", "program", "share", "time", "ways")

    def __init__(self, program: _Program, count: int, ways: tuple[tuple[int, float], ...]):
        self.program, self.count, self.ways = program, count, ways
        # Either all threads fill one share, or each fills its own.
        self.copies, self.inserting = (1, count) if program.together else (count, 1)
        self.share = self.misses = self.extra = self.time = 0.0

    def weight(self, server: int) -> float:
        """Part of its misses that pass `server`."""
        return sum(weight for j, weight in self.ways if j == server)

    def wait(self, latency: list[float], hit: float) -> None:
        """Take on the servers' latencies."""
        self.extra = max(sum([weight * latency[j] for j, weight in self.ways]) - hit, 0.0)
        self.time = self.program.time(self.misses, self.extra)

    def hold(self, share: float) -> None:
        """Take a share of the cache."""
        self.share = share
        self.misses = self.program.misses(share)

    def insertions(self, share: float) -> float:
        """Misses a ns of all threads, if each of its shares were so large, or as large as is of use."""
        misses = self.program.misses(min(share / self.copies, self.program.knee))
        return self.count * misses / self.program.time(misses, self.extra)

    @property
    def traffic(self) -> float:
        """Bytes a ns of all threads."""
        return self.count * self.misses * self.program.bytes / self.time


class _Server:
    """A socket's memory, or its links: `latency` in ns when idle, `capacity` in bytes a ns."""

    def __init__(self, latency: float, queueing: float, capacity: float):
        self.latency, self.capacity = latency, capacity
        self.growth = queueing * latency
        self.longest = latency + self.growth * BUSIEST / (1 - BUSIEST)

    def utilisation_at(self, latency: float) -> float:
        """Inverse of ``latency * (1 + queueing * rho / (1 - rho))``."""
        queue = latency - self.latency
        return queue / (self.growth + queue) if queue else 0.0

    def solve(self, j: int, ways: list[tuple[_Runner, float]], latency: list[float], hit: float) -> float:
        """Latency of this server, number `j`, at which the utilisation that it leaves is the one that causes it.

        Demand falls with latency and latency rises with demand, so there is one; the other servers' stay.
        """
        terms = []
        for runner, weight in ways:
            program, misses = runner.program, runner.misses
            if misses:
                elsewhere = sum([part * latency[i] for i, part in runner.ways if i != j])
                demand = runner.count * misses * program.bytes * weight / self.capacity
                terms.append((
                    demand, program.compute, misses / program.overlap, elsewhere - hit, weight, misses * program.pace,
                ))

        def utilisation(latency: float) -> float:
            total = 0.0
            for demand, compute, slope, elsewhere, weight, least in terms:
                time = compute + slope * max(elsewhere + weight * latency, 0.0)
                total += demand / (time if time > least else least)
            return total

        if not terms:
            return self.latency
        asked = utilisation(self.longest)
        if asked > 1:
            # The reciprocal is nearly linear in latency, which the search likes.
            low, high, left = self.longest, 2 * self.longest + 1, utilisation(2 * self.longest + 1)
            while left > 1:
                low, asked, high = high, left, 2 * high
                left = utilisation(high)
            return _root(lambda t: 1 / utilisation(t) - 1, low, 1 / asked - 1, high, 1 / left - 1)
        if asked >= BUSIEST or not self.growth:
            return self.longest
        return _root(
            lambda t: self.utilisation_at(t) - utilisation(t),
            self.latency, -utilisation(self.latency), self.longest, BUSIEST - asked,
        )


def _divide(cache: float, runners: list[_Runner], age: float | None) -> float | None:
    """Give each runner its share of a socket's cache; say how long lines live (where any are pushed out).

    `age` is a guess.  Shares rise with it, so one age fills the cache.
    """
    # Who never misses holds nothing that anybody could push out.
    hungry = [r for r in runners if r.program.law]
    if sum([r.copies * r.program.working_set for r in hungry]) <= cache:
        for runner in hungry:
            runner.hold(runner.program.working_set)
        return None
    if len(hungry) == 1:
        hungry[0].hold(cache / hungry[0].copies)
        return None

    def filled(log_age: float) -> float:
        age = math.exp(log_age)
        return math.log(sum([r.copies * r.program.share(age * r.inserting, r.extra) for r in hungry]) / cache)

    guess = math.log(age or cache / sum([r.insertions(cache / len(hungry)) for r in hungry]))
    # Shares rise no faster than the age, so the deficit is the least step upwards.
    low = high = guess
    under = over = filled(guess)
    # Aim a little beyond the goal, so that the search has it between two points close to each other.
    reach = 1.1
    while over < 0:
        low, under, high = high, over, high - reach * over + PRECISION
        over, reach = filled(high), 2 * reach
    reach = 1.6
    while under > 0:
        low, high, over = low - reach * under - PRECISION, low, under
        under, reach = filled(low), 2 * reach
    age = math.exp(_root(filled, low, under, high, over))
    for runner in hungry:
        runner.hold(runner.program.share(age * runner.inserting, runner.extra))
    return age


def _root(rising: Callable[[float], float], low: float, under: float, high: float, over: float) -> float:
    """Where a function is 0 to within `PRECISION`, by false position that never sticks to one end (Illinois).

    It is `under` <= 0 at `low`, and `over` >= 0 at `high`.

    Examples
    --------
    >>> round(_root(lambda x: x * x - 2, low=0, under=-2, high=2, over=2), 12)
    1.414213562373
    """
    if over <= PRECISION:
        return high
    middle, side = low, 0
    value = under
    while abs(value) > PRECISION:
        middle = (low * over - high * under) / (over - under)
        if not low < middle < high:
            break
        value = rising(middle)
        if value > 0:
            high, over = middle, value
            under = under / 2 if side > 0 else under
            side = 1
        else:
            low, under = middle, value
            over = over / 2 if side < 0 else over
            side = -1
    return middle


def _ahead(*steps: list[float]) -> list[float] | None:
    """What is still to come after three steps that shrink alike, slowly: a geometric series (Aitken).

    Two full memories that serve the same threads settle so, as either relieves the other.

    Examples
    --------
    >>> _ahead([64.0], [48.0], [36.0])
    [108.0]
    >>> _ahead([64.0], [8.0], [1.0])
    """
    if len(steps) < 3:
        return None
    first, second = (_slope(a, b) for a, b in pairwise(steps))
    if not 0.5 < second < 0.999 or abs(second - first) > 0.1 * (1 - second):
        return None
    return [part * second / (1 - second) for part in steps[-1]]


def _slope(a: list[float], b: list[float]) -> float:
    """Of `b` over `a`, by least squares."""
    size = sum([x * x for x in a])
    return sum([x * y for x, y in zip(a, b, strict=True)]) / size if size else 0.0


def _gap(new: float, old: float) -> float:
    """Difference relative to the larger."""
    return abs(new - old) / max(new, old) if new != old else 0.0
