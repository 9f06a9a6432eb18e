"""What each verb of a program becomes, given the kind of the structure that it names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import opcodes as op
from .. import tables as tb
from ..descriptions import program as pg
from ..descriptions.expression import whole
from ..descriptions.near import hint
from ..descriptions.structure import Structure
from ..errors import InputError
from ..units import TICKS_PER_NS
from ..workloads import operations
from .code import ticks

if TYPE_CHECKING:
    from .assembly import Assembly
    from .placement import Thread

PAGE_BYTES = 4096
LONGEST_OPERATION = 2**47
"""Ticks (23 minutes): an operation that begins in a simulation's last instant still ends on the engines' clock."""
LONGEST_DRAW = 46
"""Times its mean: what an exponential draw of a 64-bit word stays below."""
MOST_PARTS = 4096
"""Parts of one request for one process."""
_SPINNING = {"ticket_lock": (op.TICKET_LOCK, op.TICKET_UNLOCK), "queue_lock": (op.QUEUE_LOCK, op.QUEUE_UNLOCK)}
_INNER = {"ticket": _SPINNING["ticket_lock"], "queue": _SPINNING["queue_lock"]}


@dataclass(frozen=True)
class Held:
    """A lock that a program holds: how it was taken and how it is released."""

    what: str
    shared: bool
    spinning: bool
    release: Callable[[], None]

    @property
    def sort(self) -> tuple[str, bool]:
        """What a later unlock of it would mean."""
        return self.what, self.shared


_FOR_CLIENTS = (pg.Compute, pg.Sleep, pg.Arrive, pg.Send, pg.Scatter, pg.Receive, pg.Repeat, pg.Every, pg.Measure)
"""What a thread outside of the machine can do: it has no copy of any structure."""


class Body:
    """Lowers one program, and checks on the way that what is taken is released and nobody sleeps spinning."""

    def __init__(self, lowering: Assembly, thread: Thread):
        self.low, self.program, self.code = lowering, thread.program, lowering.code
        self.outside = thread.domain == tb.OUTSIDE
        self.held: list[Held] = []
        self.in_kernel = 0
        self.measuring = False
        self.spinning = 0
        self.interrupts_off = 0
        self.occurrences: dict[str, int] = {}
        self.timed = False
        self.has_part = False
        self.next_arrival: list[int] = []
        kernel = lowering.system.kernel
        self.names = {
            "cpus": thread.cpus,
            "nodes": thread.nodes,
            "kernel_nodes": thread.kernel_nodes,
            "ram_pages": int(lowering.machine.memory.capacity.plain() / PAGE_BYTES / lowering.where.instances),
            **{name: parameter.value for name, parameter in kernel.constants.items()},
            **self.program.parameters,
        }
        tlb = lowering.scenario.all_structures.get("tlb")
        if tlb is not None and tlb.pages_per_flush:
            self.names.setdefault("pages_per_flush", tlb.pages_per_flush)

    def lower(self) -> None:
        """Append the program's operations to the code."""
        for item in self.program.ops:
            if isinstance(item, pg.Gather):
                self.code.measured(item.name)  # a request comes before what is measured within its parts
        for item in operations(self.program):
            if isinstance(item, pg.Arrive):
                self.next_arrival.append(self.code.register())
                self.code.emit("before the first", op.SET, self.next_arrival[-1], 0)
        start = self.code.here
        self._ops(self.program.ops, "ops")
        if self.held:
            raise self._error("is still held at the end of the program", "ops", self.held[-1].what)
        if self.has_part:
            raise self._error("keeps a part at the end of the program", "ops")
        if not self.timed:
            raise self._error("no operation takes time, so the program would never let any pass", "ops")
        self.code.emit("repeat", op.JUMP, start)

    def _error(self, reason: str, key: str, value=None) -> InputError:
        given = {} if value is None else {"value": value}
        return InputError(reason, file=f"program {self.program.id}", key=key, **given)

    def _whole(self, number, key: str, low: int | None = 0, high: int = 2**40) -> int:
        try:
            value = whole(number, self.names)
        except ValueError as error:
            raise self._error(str(error), key) from None
        if (low is not None and value < low) or abs(value) > high:
            raise self._error(f"must lie in {0 if low is None else low} .. {high}", key, value)
        return value

    def _op(self, item: pg.Op, key: str) -> None:
        if self.outside and not isinstance(item, _FOR_CLIENTS):
            raise self._error(f"{item.do} is nothing for a client on another machine (place = \"outside\")", key)
        getattr(self, f"_{item.do}")(item, key)

    def _ops(self, ops: tuple[pg.Op, ...], key: str) -> None:
        for index, item in enumerate(ops):
            self._op(item, f"{key}.{index}")

    def _span(self, ns: float, key: str) -> int:
        """Ticks of an operation."""
        whole_ticks = ticks(ns)
        if whole_ticks > LONGEST_OPERATION:
            raise self._error(f"may take {ns / 60e9:.3g} minutes; an operation has room for 23", key)
        return whole_ticks

    # --- time -----------------------------------------------------------------------------------------

    def _path_ns(self, name: str, key: str) -> float:
        try:
            return self.low.scenario.path_ns(name)
        except KeyError:
            system, known = self.low.system, self.low.scenario.all_costs
            raise self._error(f"system {system.id} has no such kernel path{hint(name, known)}", key, name) from None

    def _purpose(self, name: str) -> int:
        """Stream of the n-th operation of this name, the same whatever system the program meets."""
        n = self.occurrences[name] = self.occurrences.get(name, 0) + 1
        self.code.purposes.append(f"{self.program.id}/{name}/{n}")
        return len(self.code.purposes) - 1

    def _path(self, name: str, key: str, times: int = 1) -> None:
        """Run a kernel path: its cost, varied by the kernel's coefficient of variation."""
        ns = self._path_ns(name, key) * times
        span = self._span(ns, key)
        cv = self.low.system.kernel.path_variation.plain() / math.sqrt(max(1, times))
        purpose = self._purpose(name)
        if span == 0:
            return
        self.timed = True
        if cv == 0:
            self.code.emit(name, op.COMPUTE, span)
            return
        self.code.emit(name, op.DRAW_COMPUTE, op.LOGNORMAL, *self._lognormal(ns, cv, key), purpose)

    def _duration(self, time: pg.Duration, key: str) -> tuple[int, int, int]:
        key = f"{key}.time.mean"
        if time.distribution == "lognormal":
            return op.LOGNORMAL, *self._lognormal(time.mean_ns, time.cv, key)
        kind, times_mean = {
            "constant": (op.CONSTANT, 1), "uniform": (op.UNIFORM, 2), "exponential": (op.EXPONENTIAL, LONGEST_DRAW),
        }[time.distribution]
        self._span(time.mean_ns * times_mean, key)
        return kind, self.code.real(time.mean_ns * TICKS_PER_NS), 0

    def _lognormal(self, mean_ns: float, cv: float, key: str) -> tuple[int, int]:
        """Parameters of a lognormal time, of which even a draw of eight sigma has room."""
        sigma = math.sqrt(math.log1p(cv * cv))
        mu = math.log(mean_ns * TICKS_PER_NS) - sigma * sigma / 2
        self._span(math.exp(min(mu + 8 * sigma, 99)) / TICKS_PER_NS, key)
        return self.code.real(mu), self.code.real(sigma)

    def _compute(self, item: pg.Compute, key: str) -> None:
        times = self._whole(item.times, f"{key}.times")
        if times == 0:
            return
        if item.path is not None:
            self._path(item.path, f"{key}.path", times)
            return
        self.timed = self.timed or ticks(item.time.mean_ns) > 0
        name = item.name or "compute"
        for _ in range(times):
            if item.time.distribution == "constant":
                self.code.emit(name, op.COMPUTE, self._span(item.time.mean_ns, f"{key}.time.mean"))
            else:
                self.code.emit(name, op.DRAW_COMPUTE, *self._duration(item.time, key), self._purpose(name))

    def _sleep(self, item: pg.Sleep, key: str) -> None:
        self._may_sleep(key)
        self.timed = self.timed or ticks(item.time.mean_ns) > 0
        self.code.emit(item.name, op.SLEEP, *self._duration(item.time, key), self._purpose(item.name))

    # --- blocks ---------------------------------------------------------------------------------------

    def _enter(self, enter: str, leave: str, item: pg.Block, key: str) -> None:
        self.code.emit(enter, op.ENTER_KERNEL, self._span(self._path_ns(enter, key), key))
        self.timed = True
        self.in_kernel += 1
        before = list(self.held)
        self._ops(item.body, f"{key}.body")
        taken = [held.what for held in self.held if held not in before]
        if taken:
            raise self._error("is still held on return from the kernel", key, taken[-1])
        self.in_kernel -= 1
        self.code.emit(leave, op.LEAVE_KERNEL, self._span(self._path_ns(leave, key), key))

    def _syscall(self, item: pg.Syscall, key: str) -> None:
        self._enter("syscall_enter", "syscall_exit", item, key)

    def _fault(self, item: pg.Fault, key: str) -> None:
        self._enter("fault_enter", "fault_exit", item, key)

    def _measure(self, item: pg.Measure, key: str) -> None:
        if self.measuring:
            raise self._error("a thread has one stop-watch: no measure within a measure", key, item.name)
        self.measuring = True
        series = self.code.measured(item.name)
        self.code.emit("begin", op.MEASURE_BEGIN)
        self._ops(item.body, f"{key}.body")
        self.code.emit("end", op.MEASURE_END, series)
        self.measuring = False

    def _balanced(self, ops: tuple[pg.Op, ...], key: str, part_of: str) -> None:
        """Lower what may be passed or not: it must leave things as they were."""
        before, part = sorted(held.sort for held in self.held), self.has_part
        self._ops(ops, f"{key}.{part_of}")
        if sorted(held.sort for held in self.held) != before:
            raise self._error("takes and releases different locks on each pass", key)
        if self.has_part != part:
            raise self._error("receives and gathers different parts on each pass", key)

    def _repeat(self, item: pg.Repeat, key: str) -> None:
        times = self._whole(item.times, f"{key}.times", high=2**31)
        if times == 0:
            return
        if times == 1:
            self._balanced(item.body, key, "body")
            return
        register = self.code.register()
        self.code.emit("repeat", op.SET, register, times)
        start = self.code.here
        self._balanced(item.body, key, "body")
        self.code.emit("again", op.LOOP, register, start)

    def _every(self, item: pg.Every, key: str) -> None:
        period = self._whole(item.times, f"{key}.times", low=1, high=2**31)
        if period == 1:
            self._balanced(item.body, key, "body")
            return
        row = self.code.emit("every", op.EVERY, self.code.register(), period)
        self._balanced(item.body, key, "body")
        self.code.rows[row][3] = self.code.here

    # --- structures -----------------------------------------------------------------------------------

    def _structure(self, item: pg.OnStructure, key: str) -> Structure:
        structures = self.low.scenario.all_structures
        if item.what not in structures:
            reason = f"system {self.low.system.id} has no such structure{hint(item.what, structures)}"
            raise self._error(reason, f"{key}.what", item.what)
        return structures[item.what]

    def _wrong(self, item: pg.OnStructure, structure: Structure, key: str) -> InputError:
        article = "an" if structure.kind[0] in "aeiou" else "a"
        return self._error(f"{item.do} does not apply to {article} {structure.kind}", f"{key}.what", item.what)

    def _place(self, name: str, kind: int, structure: Structure) -> tuple[int, int, int]:
        """Symbol, place and modulus of an object of a structure."""
        if structure.scope == "core":
            return self.code.symbol(name, kind, "core", "core"), op.PLACE_CORE, 0
        if structure.scope == "node":
            return self.code.symbol(name, kind, "node", "socket"), op.PLACE_SOCKET, 0
        if structure.copies > 1:
            return self.code.symbol(name, kind, structure.scope, str(structure.copies)), op.PLACE_SLOT, structure.copies
        return self.code.symbol(name, kind, structure.scope), op.PLACE_FIXED, 0

    def _may_sleep(self, key: str) -> None:
        if self.spinning:
            raise self._error(f"sleeps while it holds the spin lock {self._spin_lock()}", key)

    def _spin_lock(self) -> str:
        return [held.what for held in self.held if held.spinning][-1]

    def _take(self, name: str, codes: tuple[int, int], place: tuple[int, int, int], interrupts_off: bool) -> None:
        self.code.emit(f"lock {name}", codes[0], *place, int(interrupts_off))
        self.spinning += 1
        self.interrupts_off += interrupts_off
        self.timed = True

    def _release(self, name: str, codes: tuple[int, int], symbol: int, interrupts_off: bool) -> None:
        self.code.emit(f"unlock {name}", codes[1], symbol, 0, 0, int(interrupts_off))
        self.spinning -= 1
        self.interrupts_off -= interrupts_off

    def _hold(self, item: pg.OnStructure, key: str, release: Callable[[], None], spinning: bool = False) -> None:
        if any(held.what == item.what for held in self.held):
            raise self._error("is taken twice", f"{key}.what", item.what)
        self.held.append(Held(item.what, item.do == "read_lock", spinning, release))

    def _lock(self, item: pg.Lock, key: str) -> None:
        s = self._structure(item, key)
        if s.kind == "absent":
            self._hold(item, key, lambda: None)
        elif s.kind in _SPINNING:
            place = self._place(item.what, tb.SPIN_LOCK, s)
            codes = _SPINNING[s.kind]
            self._hold(item, key, lambda: self._release(item.what, codes, place[0], s.interrupts_off), spinning=True)
            self._take(item.what, codes, place, s.interrupts_off)
        elif s.kind == "mutex":
            self._sleeping(item, s, key, tb.SLEEPING_LOCK, op.MUTEX_LOCK, op.MUTEX_UNLOCK)
        elif s.kind == "rwsem":
            self._sleeping(item, s, key, tb.RW_LOCK, op.WRITE_LOCK, op.WRITE_UNLOCK)
        else:
            raise self._wrong(item, s, key)

    def _read_lock(self, item: pg.ReadLock, key: str) -> None:
        s = self._structure(item, key)
        if s.kind in ("absent", "rcu"):
            self._hold(item, key, lambda: None)
        elif s.kind == "rwsem":
            self._sleeping(item, s, key, tb.RW_LOCK, op.READ_LOCK, op.READ_UNLOCK)
        else:
            raise self._wrong(item, s, key)

    def _write_lock(self, item: pg.WriteLock, key: str) -> None:
        s = self._structure(item, key)
        if s.kind not in ("absent", "rwsem"):
            raise self._wrong(item, s, key)
        self._lock(item, key)

    def _sleeping(self, item, s: Structure, key: str, kind: int, take: int, release: int) -> None:
        self._may_sleep(key)
        optimistic = s.waiting == "optimistic"
        if optimistic and not self.in_kernel:
            raise self._error("optimistic spinning is the kernel's: use it inside a syscall", key, item.what)
        place = self._place(item.what, kind, s)
        self._hold(item, key, lambda: self.code.emit(f"unlock {item.what}", release, place[0]))
        self.code.emit(f"{item.do} {item.what}", take, *place, int(optimistic))
        self.timed = True

    def _unlock(self, item: pg.Unlock, key: str) -> None:
        self._structure(item, key)
        held = next((held for held in self.held if held.what == item.what), None)
        if held is None:
            raise self._error("is released but not held", f"{key}.what", item.what)
        self.held.remove(held)
        held.release()

    def _locked_section(self, name: str, s: Structure, path: str, key: str) -> None:
        """Take the structure's own spin lock, write the count that it protects, release it."""
        codes, place = _INNER[s.lock], self._place(f"{name}.lock", tb.SPIN_LOCK, s.around)
        self._take(name, codes, place, s.interrupts_off)
        self.code.emit(f"write {name}", op.LINE_WRITE, *self._place(f"{name}.value", tb.LINE, s))
        self._path(path, key)
        self._release(name, codes, place[0], s.interrupts_off)

    def _count(self, item: pg.Count, key: str) -> None:
        s = self._structure(item, key)
        amount = self._whole(item.pages, f"{key}.pages", low=None)
        if s.kind == "absent":
            return
        if s.kind == "atomic":
            self.code.emit(f"count {item.what}", op.LINE_ATOMIC, *self._place(item.what, tb.LINE, s))
            return
        if s.kind != "percpu_counter":
            raise self._wrong(item, s, key)
        batch = self._whole(s.batch, f"structures.{item.what}.batch", low=1)
        symbol = self._place(item.what, tb.COUNTER, s)[0]
        local = ticks(self._path_ns("counter_local", key))
        row = self.code.emit(f"count {item.what}", op.COUNT, symbol, amount, batch, local)
        self._locked_section(item.what, s, "counter_fold", key)
        self.code.rows[row][5] = self.code.here

    def _reference(self, item: pg.OnStructure, key: str, change: int) -> None:
        s = self._structure(item, key)
        if s.kind == "absent":
            return
        if s.kind == "atomic":
            self.code.emit(f"{item.do} {item.what}", op.LINE_ATOMIC, *self._place(item.what, tb.LINE, s))
        elif s.kind == "percpu":
            self._path("reference_local", key)
        elif s.kind == "rcu":
            if change > 0:
                self._path("rcu_read", key)
        elif s.kind == "locked_count" and change > 0:
            self._locked_section(item.what, s, "count_section", key)
        elif s.kind == "locked_count":
            # Dropping one of several references takes no lock (atomic_dec_and_lock).
            place = self._place(f"{item.what}.value", tb.LINE, s)
            self.code.emit(f"put {item.what}", op.LINE_ATOMIC, *place)
        elif s.kind == "sloppy_counter":
            threshold = self._whole(s.batch, f"structures.{item.what}.batch", low=1)
            symbol = self._place(item.what, tb.COUNTER, s)[0]
            local = ticks(self._path_ns("reference_local", key))
            row = self.code.emit(f"{item.do} {item.what}", op.SPARE, symbol, change, threshold, local)
            self.code.emit(f"central {item.what}", op.LINE_ATOMIC, *self._place(f"{item.what}.central", tb.LINE, s))
            self.code.rows[row][5] = self.code.here
        else:
            raise self._wrong(item, s, key)

    def _get(self, item: pg.Get, key: str) -> None:
        self._reference(item, key, 1)

    def _put(self, item: pg.Put, key: str) -> None:
        self._reference(item, key, -1)

    def _read(self, item: pg.Read, key: str) -> None:
        s = self._structure(item, key)
        if s.kind in ("line", "atomic"):
            self.code.emit(f"read {item.what}", op.LINE_READ, *self._place(item.what, tb.LINE, s))
        elif s.kind == "rcu":
            self._path("rcu_read", key)
        elif s.kind == "percpu":
            self._path("reference_local", key)
        elif s.kind == "seqlock":
            place, register = self._place(item.what, tb.LINE, s), self.code.register()
            start = self.code.emit(f"read {item.what}", op.SEQ_BEGIN, *place, register)
            self.code.emit(f"retry {item.what}", op.SEQ_RETRY, *place, register, start)
        elif s.kind != "absent":
            raise self._wrong(item, s, key)

    def _touch(self, item: pg.Touch, key: str) -> None:
        s = self._structure(item, key)
        if s.kind in ("line", "atomic"):
            self.code.emit(f"touch {item.what}", op.LINE_WRITE, *self._place(item.what, tb.LINE, s))
        elif s.kind == "seqlock":
            self.code.emit(f"touch {item.what}", op.SEQ_WRITE, *self._place(item.what, tb.LINE, s))
        elif s.kind == "percpu":
            self._path("reference_local", key)
        elif s.kind != "absent":
            raise self._wrong(item, s, key)

    def _flush_tlb(self, item: pg.FlushTlb, key: str) -> None:
        s = self._structure(item, key)
        if s.kind == "absent":
            return
        if s.kind != "tlb":
            raise self._wrong(item, s, key)
        if not self.in_kernel:
            raise self._error("only the kernel can flush: use it inside a syscall", key)
        if self.interrupts_off or self.spinning:
            raise self._error("waits for other cores while it holds a spin lock", key, self._spin_lock())
        pages = self._whole(item.pages, f"{key}.pages", low=1)
        machine, clock = self.low.machine, self.low.clock
        single = pages <= s.single_page_limit
        local = machine.tlb.single_page.ns(clock) * pages if single else machine.tlb.full_flush.ns(clock)
        refill = 0.0 if single else machine.tlb.refill.ns(clock)
        self.code.emit("flush own TLB", op.COMPUTE, self._span(local, key))
        if s.scope == "core":
            return
        if s.transport == "messages":
            self._agree(s, pages, local, key)
        else:
            self._shoot_down(item.what, s, local, refill, key)

    def _agree(self, s: Structure, pages: int, local_ns: float, key: str) -> None:
        """Have the monitors of other cores agree by messages, a round of them a phase; the last one flushes."""
        self._path("monitor_call", key)
        test = self.code.emit("others to ask?", op.FLUSH_TEST)
        send, poll, receive, back = (
            self._path_ns(name, key) for name in ("message_send", "message_poll", "message_receive", "monitor_return")
        )
        check = self._path_ns("capability_check", key) * pages
        for phase in range(s.phases):
            work = local_ns if phase == s.phases - 1 else 0.0
            until = self._span(receive + check + work + send, key)
            self.code.emit(
                f"phase {phase + 1}", op.FLUSH, ticks(send), until, ticks(back), ticks(receive), ticks(poll), 1
            )
        self.code.rows[test][1] = self.code.here

    def _shoot_down(self, name: str, s: Structure, local_ns: float, refill_ns: float, key: str) -> None:
        """Interrupt other cores, which flush and answer; with slots, as the holder of one of them."""
        machine, clock = self.low.machine, self.low.clock
        test = self.code.emit("others to flush?", op.FLUSH_TEST)
        self._path("flush_hypercall", key)
        slots = None
        if s.slots:
            symbol = self.code.symbol(f"{name}.slots", tb.SPIN_LOCK, s.scope, str(s.slots))
            slots = (symbol, op.PLACE_SLOT, s.slots)
            self._take(name, _INNER[s.lock], slots, False)
        # The target answers when it has flushed; leaving the handler and missing in the TLB come after that.
        entry = machine.interrupt.entry.ns(clock) / 2
        # With slots all targets clear their bit in one word, whose line serves one writer at a time.
        gap = machine.coherence.write_occupancy.ticks(clock) if s.slots else 0
        self.code.emit(
            "flush others", op.FLUSH, machine.interrupt.send.ticks(clock), ticks(entry + local_ns),
            ticks(entry + refill_ns), gap, machine.interrupt.deliver.ticks(clock),
        )
        if slots:
            self._release(name, _INNER[s.lock], slots[0], False)
        self.code.rows[test][1] = self.code.here

    def _queue(self, name: str) -> int:
        return self.code.symbol(name, tb.QUEUE, "machine")

    def _send(self, item: pg.Send, key: str) -> None:
        self.code.emit(f"send {item.what}", op.SEND, self._queue(item.what))

    def _receive(self, item: pg.Receive, key: str) -> None:
        self._may_sleep(key)
        self.timed = True
        self.code.emit(f"receive {item.what}", op.RECEIVE, self._queue(item.what))

    def _parts(self, name: str) -> int:
        """A queue of which each process that receives from it has a copy."""
        return self.code.symbol(name, tb.QUEUE, "process")

    def _scatter(self, item: pg.Scatter, key: str) -> None:
        parts = self._whole(item.parts, f"{key}.parts", low=1, high=MOST_PARTS)
        self.code.emit(f"scatter {item.what}", op.SCATTER, self._parts(item.what), 0, parts)

    def _receive_part(self, item: pg.ReceivePart, key: str) -> None:
        if self.outside:
            raise self._error("a part is received on the machine", key, item.what)
        self._may_sleep(key)
        if self.has_part:
            raise self._error("has a part already, which it must gather before", key, item.what)
        self.timed = self.has_part = True
        self.code.receivers.setdefault(item.what, []).append(self.program)
        self.code.emit(f"receive {item.what}", op.RECEIVE_PART, self._parts(item.what))

    def _gather(self, item: pg.Gather, key: str) -> None:
        if not self.has_part:
            raise self._error("no part was received before", key, item.name)
        self.has_part = False
        row = self.code.emit(f"gather {item.name}", op.GATHER, self.code.measured(item.name))
        self._balanced(item.then, key, "then")
        self.code.rows[row][2] = self.code.here

    def _arrive(self, item: pg.Arrive, key: str) -> None:
        self._may_sleep(key)
        self.timed = True
        # A register for each, in whatever order: which of them it is makes no difference.
        self.code.emit("arrive", op.ARRIVE, *self.code.scheduled(item.arrivals), self.next_arrival.pop())
