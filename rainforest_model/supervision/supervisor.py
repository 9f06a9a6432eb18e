"""The supervisor: creates, resizes and destroys OS instances, one command after the other, in simulated time.

A command is a process of timed steps (`rainforest_model.descriptions.lifecycle`).  Each step keeps the core busy of
whoever does it, and its time is drawn with a key, so that both engines and all policies meet the same times.  What
changes hands is in transit meanwhile, and nobody's; whatever is still in transit when a command ends, however it
ends, falls to the free pool, so that no failure loses a core.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import mesa

from .. import draws
from ..agents.streams import Stream
from ..descriptions.lifecycle import TimedStep, sample_ns
from ..units import TICKS_PER_NS
from .choice import choose_cores
from .ficm import MessageChannels
from .guard import (
    SUPERVISOR,
    ConfigureIommu,
    Halt,
    PageTableUpdate,
    PrivilegedOperation,
    ResourceDescription,
    SecurityGuard,
    StartupIpi,
)
from .instance import Instance, Phase
from .operation import Operation, Refusal
from .ownership import FREE, PAGES_PER_BLOCK, TRANSIT, Ledger, Loan
from .port import Port
from .procedures import Agenda, Process, Signal

if TYPE_CHECKING:
    from .machine import ElasticMachine

FIRST_RETRY_NS, LONGEST_RETRY_NS = 10e3, 10e6
"""The supervisor asks again after 10 us whether a core or a thread has come free, and then ever more seldom: a choice
between events and delay, small against the milliseconds of an operation."""
PATIENCE_NS = 10e9
"""And gives up after 10 s: a choice, of the order of the kernel's own time-outs for a hung task."""


class Steps(Protocol):
    """Where the timed steps come from (`rainforest_model.descriptions.lifecycle`)."""

    def steps(self, operation: str, cores: int = 0, pages: int = 0) -> Sequence[TimedStep]:
        """The steps of an operation on so many cores and pages of 4 KB."""


class Supervisor(mesa.Agent):
    """Provisions the machine's resources.

    Like the paper's it has no core of its own but shares one with applications: the communication core of the first
    instance that is alive.

    Attributes
    ----------
    up : bool
        Whether it works; while it does not, commands wait and instances run on.
    operations : list of Operation
        Everything ever asked, in order.
    mac_list : dict of str to str
        Addresses of the living instances, which RFloop needs.
    watchers : list of callable
        Told after resources have changed hands or an instance has gone.

    Its own steps are those of a process, such as a tool stack that builds a guest for seconds: it and the threads on
    its core take turns of half a scheduling period each, under a hypervisor of its time slice.  Steps of an instance
    are those of a kernel that brings hardware up or down: they keep the core.
    """

    def __init__(
        self, model: ElasticMachine, port: Port, agenda: Agenda, ledger: Ledger, ficm: MessageChannels,
        instances: dict[str, Instance], lifecycle: Callable[[], Steps], guard: SecurityGuard | None,
        sockets: Sequence[int], seed: str, turn: int,
    ):
        super().__init__(model)
        self.up = True
        self.operations: list[Operation] = []
        self.mac_list: dict[str, str] = {}
        self.watchers: list[Callable[[], None]] = []
        self._port, self._agenda, self._ledger, self._ficm = port, agenda, ledger, ficm
        self._instances, self._lifecycle, self._guard = instances, lifecycle, guard
        self._sockets, self._seed, self._turn = sockets, seed, turn
        self._streams: dict[str, Stream] = {}
        self._queue: deque[tuple[Operation, Process]] = deque()
        self._working = False
        self._recovered = Signal()
        if guard is not None:
            guard.install(lambda: agenda.now, self._charge)
        for instance in instances.values():
            if instance.alive:
                self._settle_in(instance)
        self._seat()
        self._describe_all()

    # --- commands ---------------------------------------------------------------------------------------------

    def ask(self, kind: str, arguments: Mapping[str, Any], process: Process) -> Operation:
        """Line a command up; it begins when time goes on, when those before it have ended, and while `up`."""
        operation = Operation(len(self.operations), kind, dict(arguments), self._agenda.now)
        self.operations.append(operation)
        self._queue.append((operation, process))
        if not self._working:
            self._working = True
            self._agenda.begin(self._work())
        return operation

    @property
    def pending(self) -> list[Operation]:
        """Commands that wait or go on, oldest first."""
        return [operation for operation in self.operations if operation.pending]

    def fail(self) -> None:
        """The supervisor dies: what it does stops where it is, commands wait, and the instances run on."""
        self.up = False

    def recover(self) -> None:
        """The supervisor is back, and goes on with what it was at."""
        self.up = True
        self._recovered.give()

    def _work(self) -> Process:
        while self._queue:
            yield from self._while_down()
            operation, process = self._queue.popleft()
            operation.begun_at = self._agenda.now
            try:
                yield from process
            except Refusal as refusal:
                operation.refuse(self._agenda.now, str(refusal))
            else:
                operation.finish(self._agenda.now)
            self._pool_what_is_left()
        self._working = False

    def _while_down(self) -> Process:
        while not self.up:
            yield self._recovered

    # --- the commands, as processes ---------------------------------------------------------------------------

    def create(self, name: str, cores: int, blocks: int, priority: int) -> Process:
        """Boot a dormant instance on free cores and memory, and let its threads begin."""
        self._need_free(cores, blocks)
        instance = self._place_for(name)
        chosen = choose_cores(self._ledger.cores_of(FREE)[::-1], cores, self._sockets)
        instance.priority, instance.state = priority, Phase.BOOTING
        self._book(lambda: self._ledger.take(FREE, chosen, blocks))
        self._describe(SUPERVISOR)
        try:
            self._privileged(SUPERVISOR, StartupIpi(chosen[0]))
            yield from self._steps("create", instance, chosen[0], cores, blocks)
            self._map_memory(instance, chosen)
        except Refusal:
            if instance.state is Phase.BOOTING:
                instance.state = Phase.DORMANT
            raise
        for core in chosen:
            self._port.adopt(core, instance.domain)
        self._book(lambda: self._ledger.put(name, chosen, blocks))
        self._settle_in(instance)
        self._describe_all()
        self._port.start_threads(instance.domain)
        instance.begun, instance.state = True, Phase.RUNNING
        self._ficm.broadcast(SUPERVISOR, "created")

    def destroy(self, name: str) -> Process:
        """Stop an instance and take back all that it has; what it had on loan goes back to living lenders."""
        instance = self._known(name)
        if not instance.alive and instance.state is not Phase.FAILED:
            raise Refusal(f"{name} is {instance.state.value}")
        if instance.alive:
            yield from self._command(instance, "shutdown")
            instance.state = Phase.STOPPING
        if instance.begun:
            ended = yield from self._until(lambda: self._port.end_threads(instance.domain))
            if not ended:
                instance.state = Phase.FAILED
                raise Refusal(f"threads of {name} do not come to an end")
        cores, blocks = instance.cores, instance.blocks
        yield from self._steps("destroy", instance, None, len(cores), blocks)
        loans = [loan for loan in self._ledger.loans.values() if loan.borrower == name]
        for loan in loans:
            self._ledger.strike(loan, loan.cores, loan.blocks)
        for core in cores:
            released = yield from self._until(lambda core=core: self._port.release(core))
            if not released:
                instance.state = Phase.FAILED
                raise Refusal(f"core {core} of {name} does not come free")
            self._book(lambda core=core: self._ledger.take(name, [core]))
        self._book(lambda: self._ledger.take(name, blocks=blocks))
        self._pool_what_is_left()
        self._ficm.leave(name)
        self._tell_watchers()
        self.mac_list.pop(name, None)
        instance.begun, instance.state = False, Phase.DESTROYED
        self._seat()
        self._describe_all()
        for loan in loans:
            yield from self._restore(loan)

    def resize(self, name: str, cores: int | None, blocks: int | None) -> Process:
        """Bring an instance to so many cores and blocks of memory, from and to the free pool; None: as it is."""
        instance = self._able(name)
        more = 0 if cores is None else cores - len(instance.cores)
        more_blocks = 0 if blocks is None else blocks - instance.blocks
        self._need_free(max(0, more), max(0, more_blocks))
        self._need_own(instance, max(0, -more), max(0, -more_blocks))
        with _resizing(instance):
            if more > 0:
                free = self._ledger.cores_of(FREE)[::-1]
                for core in choose_cores(free, more, self._sockets, instance.home):
                    self._book(lambda core=core: self._ledger.take(FREE, [core]))
                    yield from self._online(instance, core)
            else:
                for core in self._chosen_of(instance, -more):
                    yield from self._offline(instance, core)
                    self._pool_what_is_left()
            if more_blocks > 0:
                self._book(lambda: self._ledger.take(FREE, blocks=more_blocks))
                yield from self._memory_online(instance, more_blocks)
            elif more_blocks < 0:
                yield from self._memory_offline(instance, -more_blocks)

    def transfer(self, giver: str, taker: str, cores: int, blocks: int = 0) -> Process:
        """Move cores and memory from one instance to another for good."""
        yield from self._transfer(giver, taker, cores, blocks, lambda moved, blocks: None)

    def preempt(self, taker: str, giver: str, cores: int) -> Process:
        """Move cores to an instance from one of lower priority."""
        taking, giving = self._able(taker), self._able(giver)
        if taking.priority <= giving.priority:
            raise Refusal(f"{giver} has priority {giving.priority}, and {taker} not more: {taking.priority}")
        yield from self.transfer(giver, taker, cores)

    def borrow(self, borrower: str, lender: str, cores: int, blocks: int) -> Process:
        """Move cores and memory from one instance to another on loan, and register it."""
        def register(moved, moved_blocks):
            if moved or moved_blocks:
                self._ledger.lend(lender, borrower, moved, moved_blocks)

        yield from self._transfer(lender, borrower, cores, blocks, register)

    def give_back(self, borrower: str, lender: str) -> Process:
        """Move all that one instance has on loan from another back to it; to the pool, if that one is no more."""
        giving = self._able(borrower)
        loans = [loan for loan in self._ledger.loans.values() if (loan.borrower, loan.lender) == (borrower, lender)]
        if not loans:
            raise Refusal(f"{borrower} has nothing on loan from {lender}")
        with _resizing(giving):
            for loan in loans:
                rest = loan
                for core in loan.cores:
                    yield from self._offline(giving, core)
                    rest = self._ledger.strike(rest, cores=[core])
                    self._pool_what_is_left()
                if loan.blocks:
                    yield from self._memory_offline(giving, loan.blocks)
                    self._ledger.strike(rest, blocks=loan.blocks)
                    self._pool_what_is_left()
                yield from self._restore(loan)

    # --- parts of commands ------------------------------------------------------------------------------------

    def _transfer(self, giver: str, taker: str, cores: int, blocks: int, moved_on: Callable) -> Process:
        giving, taking = self._able(giver), self._able(taker)
        self._need_own(giving, cores, blocks)
        moved, moved_blocks = [], 0
        try:
            with _resizing(giving), _resizing(taking):
                for core in self._chosen_of(giving, cores, taking.home):
                    yield from self._offline(giving, core)
                    yield from self._online(taking, core)
                    moved.append(core)
                if blocks:
                    yield from self._memory_offline(giving, blocks)
                    yield from self._memory_online(taking, blocks)
                    moved_blocks = blocks
        except Refusal:
            moved_on(moved, moved_blocks)
            raise
        moved_on(moved, moved_blocks)

    def _restore(self, loan: Loan) -> Process:
        """Bring what a loan was about, which is in the pool now, to a lender that can take it."""
        lender = self._instances.get(loan.lender)
        if lender is None or not lender.alive:
            return
        try:
            for core in loan.cores:
                self._book(lambda core=core: self._ledger.take(FREE, [core]))
                yield from self._online(lender, core)
            if loan.blocks:
                self._book(lambda: self._ledger.take(FREE, blocks=loan.blocks))
                yield from self._memory_online(lender, loan.blocks)
        except Refusal:
            # The lender has died meanwhile; what it gave stays in the pool.
            self._pool_what_is_left()

    def _offline(self, giver: Instance, core: int) -> Process:
        """Bring a core of an instance into transit."""
        if core == giver.communication_core:
            self._ficm.join(giver.name, next(other for other in giver.cores if other != core))
            self._seat()
        yield from self._command(giver, "cpu_offline", core.to_bytes(4, "little"))
        yield from self._steps("cpu_offline", giver, core, cores=1)
        self._privileged(giver.name, Halt(core))
        released = yield from self._until(lambda: giver.alive and self._port.release(core), lambda: not giver.alive)
        self._must_live(giver)
        if not released:
            raise Refusal(f"core {core} of {giver.name} does not come free")
        self._book(lambda: self._ledger.take(giver.name, [core]))
        self._describe(giver.name)
        self._describe(SUPERVISOR)

    def _online(self, taker: Instance, core: int) -> Process:
        """Bring a core in transit to an instance."""
        self._must_live(taker)
        yield from self._command(taker, "cpu_online", core.to_bytes(4, "little"))
        self._describe(taker.name, coming=(core,))
        self._privileged(taker.name, StartupIpi(core))
        yield from self._steps("cpu_online", taker, core, cores=1)
        self._port.adopt(core, taker.domain)
        self._book(lambda: self._ledger.put(taker.name, [core]))
        self._describe(taker.name)
        self._describe(SUPERVISOR)

    def _memory_offline(self, giver: Instance, blocks: int) -> Process:
        """Bring memory of an instance into transit."""
        yield from self._command(giver, "memory_offline", blocks.to_bytes(8, "little"))
        yield from self._steps("memory_offline", giver, giver.communication_core, blocks=blocks)
        self._book(lambda: self._ledger.take(giver.name, blocks=blocks))
        self._describe(giver.name)
        self._describe(SUPERVISOR)

    def _memory_online(self, taker: Instance, blocks: int) -> Process:
        """Bring the memory in transit to an instance."""
        self._must_live(taker)
        yield from self._command(taker, "memory_online", blocks.to_bytes(8, "little"))
        coming = self._ledger.extents(TRANSIT)
        self._describe(taker.name, coming_memory=coming)
        yield from self._steps("memory_online", taker, taker.communication_core, blocks=blocks)
        for extent in coming:
            for block in extent:
                self._privileged(taker.name, PageTableUpdate(block))
        self._book(lambda: self._ledger.put(taker.name, blocks=blocks))
        self._describe(taker.name)
        self._describe(SUPERVISOR)

    def _steps(
        self, operation: str, instance: Instance, core: int | None, cores: int = 0, blocks: int = 0
    ) -> Process:
        """Do the timed steps of an operation, each on the core of whoever does it."""
        for step in self._lifecycle().steps(operation, cores=cores, pages=blocks * PAGES_PER_BLOCK):
            # Before an instance has a communication core, its first core is what it has.
            own = core if instance.communication_core is None else instance.communication_core
            where = {"instance": own, "core": core}.get(step.actor)
            ticks = round(sample_ns(step, self._stream(f"{operation}/{step.name}").word()) * TICKS_PER_NS)
            if step.actor == "supervisor":
                yield from self._share_core(ticks)
            else:
                if where is not None and ticks:
                    self._port.occupy(where, ticks)
                yield ticks
                yield from self._while_down()
            if operation != "destroy":
                self._must_live(instance)

    def _share_core(self, ticks: int) -> Process:
        """Work for so long as a process, which takes turns with the threads on its core; kernel work does not."""
        while ticks > 0:
            turn = min(ticks, self._longest_turn() or ticks)
            self._port.occupy(self.core, turn)
            passes = min(ticks, 2 * turn)
            yield passes
            yield from self._while_down()
            ticks -= passes

    def _longest_turn(self) -> int:
        """Ticks of a turn: those of the hypervisor's scheduler if the life cycle tells them, else of the kernel's."""
        described = getattr(self._lifecycle(), "turn", None)
        return self._turn if described is None else described.ticks()

    def _command(self, instance: Instance, command: str, payload: bytes = b"") -> Process:
        """Send a command, and wait until it is handled and the instance has answered."""
        self._seat()
        for sender, receiver in ((SUPERVISOR, instance.name), (instance.name, SUPERVISOR)):
            yield self._ficm.unicast(sender, receiver, command, payload) - self._agenda.now
            self._ficm.read(receiver)
            yield from self._while_down()
            self._must_live(instance)

    def _until(self, attempt: Callable[[], bool], hopeless: Callable[[], bool] = lambda: False) -> Process:
        """Attempt something again and again until it succeeds; the process returns whether it did."""
        wait, waited = FIRST_RETRY_NS, 0.0
        while not attempt():
            if waited >= PATIENCE_NS or hopeless():
                return False
            yield round(wait * TICKS_PER_NS)
            yield from self._while_down()
            waited += wait
            wait = min(2 * wait, LONGEST_RETRY_NS)
        return True

    def _stream(self, entity: str) -> Stream:
        if entity not in self._streams:
            self._streams[entity] = Stream(draws.stream(self._seed, "lifecycle step", entity))
        return self._streams[entity]

    # --- what stands in the way -------------------------------------------------------------------------------

    def _known(self, name: str) -> Instance:
        if name not in self._instances:
            raise Refusal(f"there is no {name}")
        return self._instances[name]

    def _able(self, name: str) -> Instance:
        instance = self._known(name)
        if not instance.alive:
            raise Refusal(f"{name} is {instance.state.value}")
        return instance

    def _must_live(self, instance: Instance) -> None:
        if instance.state is Phase.FAILED:
            raise Refusal(f"{instance.name} has failed")

    def _place_for(self, name: str) -> Instance:
        """The instance that a name shall be: its old one, a dormant one, or a new one where one was destroyed."""
        known = self._instances.get(name)
        if known is not None and not known.gone:
            raise Refusal(f"there is a {name} already, which is {known.state.value}")
        taken = {i.domain for i in self._instances.values() if not i.gone}
        places = [i for i in (known, *self._instances.values()) if i is not None and i.domain not in taken]
        if not places:
            raise Refusal("no partition of the scenario is left that it could be")
        place = next((i for i in places if i is known or i.state is Phase.DORMANT), places[0])
        if known is not None:
            known.move_into(place)
            return known
        if place.state is Phase.DORMANT:
            del self._instances[place.name]
            place.name = name
        else:
            place = self.model.new_instance(name, place.domain)
        self._instances[name] = place
        return place

    def _need_free(self, cores: int, blocks: int) -> None:
        have, have_blocks = len(self._ledger.cores_of(FREE)), self._ledger.blocks_of(FREE)
        if cores > have:
            raise Refusal(f"{have} cores are free, not {cores}")
        if blocks > have_blocks:
            raise Refusal(f"{_gb(have_blocks)} GB are free, not {_gb(blocks)}")

    def _need_own(self, giver: Instance, cores: int, blocks: int) -> None:
        own, own_blocks = len(self._ledger.own_cores(giver.name)), self._ledger.own_blocks(giver.name)
        for can, wanted, what in ((own, cores, "cores"), (own_blocks, blocks, "blocks of memory")):
            if wanted and wanted >= can:
                raise Refusal(f"{giver.name} has {can} {what} of its own and keeps one, so cannot give {wanted}")

    def _chosen_of(self, giver: Instance, count: int, home: int | None = None) -> tuple[int, ...]:
        own = self._ledger.own_cores(giver.name)
        return choose_cores(own, count, self._sockets, home, giver.communication_core)

    # --- the books --------------------------------------------------------------------------------------------

    def _book(self, entry: Callable[[], None]) -> None:
        self.model.turn_accounts()
        entry()
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        for watcher in self.watchers:
            watcher()

    def _pool_what_is_left(self) -> None:
        """Whatever is in transit falls to the free pool."""
        cores, blocks = self._ledger.cores_of(TRANSIT), self._ledger.blocks_of(TRANSIT)
        if cores or blocks:
            self._book(lambda: self._ledger.put(FREE, cores, blocks))
            self._describe_all()

    def _settle_in(self, instance: Instance) -> None:
        """A new instance gets its home, its communication core, and its place in the lists."""
        instance.home = self._sockets[instance.cores[0]]
        self._ficm.join(instance.name, instance.cores[0])
        self.mac_list[instance.name] = f"02:00:00:00:00:{instance.domain:02x}"

    @property
    def core(self) -> int:
        """The core that it shares."""
        living = (i.communication_core for i in self._instances.values() if i.alive)
        return next((core for core in living if core is not None), 0)

    def _seat(self) -> None:
        self._ficm.join(SUPERVISOR, self.core)

    # --- the guard --------------------------------------------------------------------------------------------

    def _privileged(self, who: str, operation: PrivilegedOperation) -> None:
        if self._guard is not None and not (answer := self._guard.attempt(who, operation)):
            raise Refusal(f"Security Guard: {answer.reason}")

    def _map_memory(self, instance: Instance, cores: tuple[int, ...]) -> None:
        """A booting kernel maps the memory in transit, and lets its devices reach it."""
        if self._guard is None:
            return
        extents = self._ledger.extents(TRANSIT)
        self._describe(instance.name, coming=cores, coming_memory=extents)
        for extent in extents:
            for block in extent:
                self._privileged(instance.name, PageTableUpdate(block))
        for device in instance.devices if extents else ():
            self._privileged(instance.name, ConfigureIommu(device, extents[0][0]))

    def _charge(self, who: str, ns: float) -> None:
        """Keep the core of a kernel for the guard's check."""
        core = self.core if who == SUPERVISOR else self._ficm.communication_cores.get(who)
        if core is None and who in self._guard.descriptions:
            # A kernel that boots has no communication core yet, but a first one.
            core = min(self._guard.descriptions[who].cores, default=None)
        if core is not None and (ticks := round(ns * TICKS_PER_NS)):
            self._port.occupy(core, ticks)

    def _describe_all(self) -> None:
        for name in (SUPERVISOR, *self._instances):
            self._describe(name)

    def _describe(self, name: str, coming: tuple[int, ...] = (), coming_memory: tuple[range, ...] = ()) -> None:
        """Write the description of the supervisor, who has the pool and what is in transit, or of an instance."""
        if self._guard is None:
            return
        owners = (FREE, TRANSIT) if name == SUPERVISOR else (name,)
        cores = frozenset(core for owner in owners for core in self._ledger.cores_of(owner)) | set(coming)
        memory = tuple(extent for owner in owners for extent in self._ledger.extents(owner)) + coming_memory
        before = self._guard.descriptions.get(name, ResourceDescription())
        devices = self._instances[name].devices if name in self._instances and cores else ()
        described = ResourceDescription(cores, memory, frozenset(devices), before.shared)
        gone = name != SUPERVISOR and not cores
        if described != before or (gone and name in self._guard.descriptions):
            self._guard.write(SUPERVISOR, name, None if gone else described)

    def __repr__(self) -> str:
        how = "up" if self.up else "down"
        return f"<Supervisor: {how}, {len(self.operations)} operations, {len(self.pending)} pending>"


class _resizing:
    """The time for which an instance that lives is being resized."""

    def __init__(self, instance: Instance):
        self._instance = instance

    def __enter__(self) -> None:
        self._instance.state = Phase.RESIZING

    def __exit__(self, *exception) -> None:
        if self._instance.state is Phase.RESIZING:
            self._instance.state = Phase.RUNNING


def _gb(blocks: int) -> str:
    return f"{blocks * PAGES_PER_BLOCK * 4096 / 2**30:g}"
