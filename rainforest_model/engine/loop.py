"""The operations and the event loop.  Effects come first, then the time passes, then the next operation."""

from __future__ import annotations

from .. import opcodes as op
from ..compiled import compiled
from ..draws import GOLDEN, duration, mix
from ..histogram import BUCKETS, SUB_BITS
from . import coherence, locks, memory, requests, scheduler
from .arena import (
    ACK_TIME,
    ACK_WAIT,
    ACKS,
    ACTING,
    AFTER_ANSWER,
    ANSWER_GAP,
    BIND,
    C_INDEX,
    C_SOCKET,
    CORE,
    CORE0,
    CORE_WIDTH,
    CORES,
    CULPRIT,
    CURRENT,
    EVENTS,
    FINE,
    GROUP,
    HANDLER,
    HELD,
    INBOX_SLOT,
    IRQ_OFF,
    IRQ_UNTIL,
    LIVELOCK,
    LOADED,
    LOCALS,
    MIX_CHANGED,
    MOMENTS,
    NEW_MIX,
    NO_PREEMPT,
    NOT_HELD,
    NOW,
    OBJECT_WIDTH,
    OP_WIDTH,
    OWNER,
    PC,
    QUEUE_FULL,
    READERS,
    REGS,
    RESCHED,
    RETRY,
    SLOT,
    SLOT_BITS,
    SLOT_MASK,
    SPACE,
    STATE,
    STATUS,
    STEPS,
    STREAMS,
    T0,
    TASK0,
    TASK_WIDTH,
    TICK_SLOT,
    TIMED_SLEEP,
    TRACE,
    TRACE_FULL,
    TRACE_SIZE,
    TRACED,
    VERSION,
    WARMUP,
)
from .interrupts import interrupt, interrupts_on, on_inbox, on_tick
from .locks import PARKED
from .pointer import pointer
from .tree import drop, put

MAX_INSTANT_OPS = 100_000
MAX_INSTANT_EVENTS = 1_000_000


@compiled
def _copy(a, t, i):
    """The copy of the symbol of operation `i` which task `t` means on its core."""
    o = a[a[t + BIND] + a[i + 1]]
    where = a[i + 2]
    if where == op.PLACE_FIXED:
        return o
    c = a[t + CORE]
    if where == op.PLACE_CORE:
        return o + a[c + C_INDEX] * OBJECT_WIDTH
    if where == op.PLACE_SLOT:
        return o + (a[c + C_INDEX] % a[i + 3]) * OBJECT_WIDTH
    return o + a[c + C_SOCKET] * OBJECT_WIDTH


@compiled
def _word(a, t, stream):
    """The next word of a stream of task `t`."""
    s = a[t + STREAMS] + stream
    a[s] += GOLDEN
    return mix(a[s])


@compiled
def _bit_length(v):
    """Bits of a value below 2**48."""
    bits = 0
    for step in (32, 16, 8, 4, 2, 1):
        if v >> step:
            v >>= step
            bits += step
    return bits + (v > 0)


@compiled
def _record(a, f, hist, series, value):
    """Add a latency to the histogram and the moments of its series."""
    shift = _bit_length(value >> (SUB_BITS + 1))
    hist[series * BUCKETS + (shift << SUB_BITS) + (value >> shift)] += 1
    m = a[MOMENTS] + 4 * series
    f[m] += 1.0
    f[m + 1] += value
    f[m + 2] += float(value) * value
    f[m + 3] = max(f[m + 3], float(value))


@compiled
def _flush(a, tree, t, i, now):
    """Tell every other core that has the address space of `t` loaded, one after the other, and wait for all."""
    c = a[t + CORE]
    sent = 0
    a[t + HANDLER] = a[i + 2]
    a[t + AFTER_ANSWER] = a[i + 3]
    a[t + ANSWER_GAP] = a[i + 4]
    for k in range(a[CORES]):
        target = a[CORE0] + k * CORE_WIDTH
        if target != c and a[target + LOADED] == a[t + SPACE]:
            sent += 1
            arrival = now + sent * a[i + 1] + a[i + 5]
            if a[i + 6]:
                arrival += coherence.transfer(a, c, target, coherence.LOAD)
            interrupt(a, tree, target, t, arrival)
    if sent == 0:
        return 0
    a[t + ACKS] = sent
    a[t + ACK_TIME] = now + sent * a[i + 1]
    a[t + STATE] = ACK_WAIT
    drop(a, tree, a[t + SLOT])
    return PARKED


@compiled
def _alone(a, t):
    """Whether no other core has the address space of `t` loaded."""
    c = a[t + CORE]
    for k in range(a[CORES]):
        other = a[CORE0] + k * CORE_WIDTH
        if other != c and a[other + LOADED] == a[t + SPACE]:
            return False
    return True


@compiled
def _stop(a, t, status):
    a[STATUS] = status
    a[CULPRIT] = t
    return PARKED


@compiled
def _count(a, t, i):
    """Add to the running core's part of a counter; past the batch go on with folding it, else jump over that."""
    cell = a[a[a[t + BIND] + a[i + 1]] + LOCALS] + a[a[t + CORE] + C_INDEX]
    total = a[cell] + a[i + 2]
    if abs(total) >= a[i + 3]:
        a[cell] = 0
        return 0
    a[cell] = total
    a[t + PC] = a[i + 5]
    return a[i + 4]


@compiled
def _spare(a, t, i):
    """Take (+1) or return (-1) a spare reference of the running core; without room go to the central count."""
    cell = a[a[a[t + BIND] + a[i + 1]] + LOCALS] + a[a[t + CORE] + C_INDEX]
    spares = a[cell] - a[i + 2]
    if spares > a[i + 3]:
        a[cell] = 0
        return 0
    if spares < 0:
        return 0
    a[cell] = spares
    a[t + PC] = a[i + 5]
    return a[i + 4]


@compiled
def _sleeping_lock(a, tree, code, i, t, now):
    """The operations on mutexes and reader-writer locks."""
    held = a[t + HELD] + a[i + 1]
    if code == op.MUTEX_LOCK or code == op.READ_LOCK or code == op.WRITE_LOCK:
        # Who was woken to try again means the mutex that it slept for, on whatever core it is now.
        o = a[held] if a[t + RETRY] > 0 else _copy(a, t, i)
        a[held] = o
        if code == op.MUTEX_LOCK:
            return locks.mutex_lock(a, tree, o, t, now, a[i + 4])
        if code == op.READ_LOCK:
            return locks.read_lock(a, tree, o, t, now)
        return locks.write_lock(a, tree, o, t, now, a[i + 4])
    o = a[held]
    if code == op.READ_UNLOCK:
        if a[o + READERS] <= 0:
            return _stop(a, t, NOT_HELD)
        return locks.rw_unlock(a, tree, o, t, now)
    if a[o + OWNER] != t:
        return _stop(a, t, NOT_HELD)
    if code == op.MUTEX_UNLOCK:
        return locks.mutex_unlock(a, tree, o, t, now)
    return locks.rw_unlock(a, tree, o, t, now)


@compiled
def _line(a, code, i, t, now):
    """The operations on a cache line, plain or as a sequence count."""
    o = _copy(a, t, i)
    c = a[t + CORE]
    if code == op.LINE_ATOMIC:
        return coherence.write(a, o, c, now, coherence.ATOMIC)
    if code == op.LINE_WRITE or code == op.SEQ_WRITE:
        return coherence.write(a, o, c, now, coherence.STORE)
    if code == op.SEQ_BEGIN:
        a[a[t + REGS] + a[i + 4]] = a[o + VERSION]
    elif code == op.SEQ_RETRY and a[a[t + REGS] + a[i + 4]] != a[o + VERSION]:
        a[t + PC] = a[i + 5]
    return coherence.read(a, o, c, now)


@compiled
def _rest(a, tree, code, i, t, now):
    """The rarer operations."""
    if code == op.COUNT:
        return _count(a, t, i)
    if code == op.SPARE:
        return _spare(a, t, i)
    if code == op.FLUSH:
        return _flush(a, tree, t, i, now)
    if code == op.FLUSH_TEST:
        if _alone(a, t):
            a[t + PC] = a[i + 1]
        return 0
    q = a[a[t + BIND] + a[i + 1]]
    if code == op.RECEIVE:
        return requests.receive(a, tree, q, t, now)
    if code == op.RECEIVE_PART:
        return requests.receive_part(a, tree, q, t, now)
    room = requests.send(a, tree, q, now) if code == op.SEND else requests.scatter(
        a, tree, q, a[i + 2], a[i + 3], now
    )
    return 0 if room else _stop(a, t, QUEUE_FULL)


@compiled
def _advance(a, tree, f, hist, t, now):
    """Run the operations of task `t` until one of them takes time or waits."""
    c = a[t + CORE]
    a[ACTING] = t
    ticks = 0
    i = a[t + PC]
    for _ in range(MAX_INSTANT_OPS):
        code = a[i]
        following = i + OP_WIDTH
        a[t + PC] = following
        if code == op.DRAW_COMPUTE:
            ticks = duration(a[i + 1], f[a[i + 2]], f[a[i + 3]], _word(a, t, a[i + 4]))
        elif code == op.COMPUTE:
            ticks = a[i + 1]
        elif code == op.TICKET_LOCK or code == op.QUEUE_LOCK:
            o = _copy(a, t, i)
            a[a[t + HELD] + a[i + 1]] = o
            a[t + NO_PREEMPT] += 1
            a[t + IRQ_OFF] += a[i + 4]
            ticks = locks.spin_lock(a, tree, o, t, now)
        elif code == op.TICKET_UNLOCK or code == op.QUEUE_UNLOCK:
            o = a[a[t + HELD] + a[i + 1]]
            if a[o + OWNER] != t:
                ticks = _stop(a, t, NOT_HELD)
                break
            if code == op.TICKET_UNLOCK:
                ticks = locks.ticket_unlock(a, tree, o, t, now)
            else:
                ticks = locks.queue_unlock(a, tree, o, t, now)
            a[t + NO_PREEMPT] -= 1
            if a[i + 4]:
                interrupts_on(a, tree, t, now)
                if a[c + IRQ_UNTIL] > now:
                    break
        elif code == op.MEASURE_BEGIN:
            a[t + T0] = now
            i = following
            continue
        elif code == op.MEASURE_END:
            if a[t + T0] >= a[WARMUP]:
                _record(a, f, hist, a[i + 1], now - a[t + T0])
            i = following
            continue
        elif code == op.JUMP:
            i = a[i + 1]
            continue
        elif code == op.ENTER_KERNEL:
            a[t + NO_PREEMPT] += 1
            ticks = a[i + 1]
        elif code == op.LEAVE_KERNEL:
            a[t + NO_PREEMPT] -= 1
            ticks = a[i + 1]
        elif code == op.SET:
            a[a[t + REGS] + a[i + 1]] = a[i + 2]
            i = following
            continue
        elif code == op.LOOP:
            register = a[t + REGS] + a[i + 1]
            a[register] -= 1
            i = a[i + 2] if a[register] > 0 else following
            continue
        elif code == op.EVERY:
            register = a[t + REGS] + a[i + 1]
            a[register] += 1
            if a[register] >= a[i + 2]:
                a[register] = 0
                i = following
            else:
                i = a[i + 3]
            continue
        elif code == op.GATHER:
            sent = requests.part_done(a, t)
            if sent >= a[WARMUP]:
                _record(a, f, hist, a[i + 1], now - sent)
            i = a[i + 2] if sent == requests.NOT_DONE else following
            continue
        elif code == op.ARRIVE:
            due = requests.next_arrival(a, t, i)
            if due <= now:
                i = following
                continue
            scheduler.block(a, tree, t, now, TIMED_SLEEP)
            put(a, tree, a[t + SLOT], due)
            ticks = PARKED
        elif code == op.SLEEP:
            ticks = duration(a[i + 1], f[a[i + 2]], f[a[i + 3]], _word(a, t, a[i + 4]))
            scheduler.block(a, tree, t, now, TIMED_SLEEP)
            put(a, tree, a[t + SLOT], now + ticks)
            ticks = PARKED
        elif code >= op.MUTEX_LOCK and code <= op.WRITE_UNLOCK:
            ticks = _sleeping_lock(a, tree, code, i, t, now)
        elif code == op.LINE_READ or code == op.LINE_WRITE or code == op.LINE_ATOMIC or (
            code >= op.SEQ_BEGIN and code <= op.SEQ_WRITE
        ):
            ticks = _line(a, code, i, t, now)
        else:
            ticks = _rest(a, tree, code, i, t, now)
        if ticks != 0 or (a[c + RESCHED] and a[t + NO_PREEMPT] == 0):
            break
        # The operation may have sent its task elsewhere; those that go on above know where themselves.
        i = a[t + PC]
    else:
        ticks = _stop(a, t, LIVELOCK)
    a[ACTING] = -1
    if ticks == PARKED:
        return
    if a[c + RESCHED] and a[t + NO_PREEMPT] == 0:
        scheduler.preempt(a, tree, c, now, ticks)
    else:
        if a[t + GROUP] >= 0:
            ticks = memory.slowed(a, t, ticks)
        put(a, tree, a[t + SLOT], max(now, a[c + IRQ_UNTIL]) + ticks)


@compiled
def _trace(a, now, slot):
    """Append (time, slot, operation) to the trace; whether there was room."""
    if a[TRACED] == a[TRACE_SIZE]:
        a[STATUS] = TRACE_FULL
        return False
    row = a[TRACE] + 3 * a[TRACED]
    a[row] = now
    a[row + 1] = slot
    a[row + 2] = a[TASK0 + slot * TASK_WIDTH + PC] if slot < a[INBOX_SLOT] else -1
    a[TRACED] += 1
    return True


@compiled
def run(a, tree, f, hist, until, budget):
    """Process events in (time, slot) order.

    Parameters
    ----------
    a : int64[:]
        Arena (`rainforest_model.engine.arena`), changed in place.
    tree : int64[:]
        Winner tree of pending events.
    f : float64[:]
        Parameters of random durations, then count, sum, sum of squares and maximum of each series.
    hist : int64[series, buckets]
        Histograms of the measured latencies, in ticks.
    until : int
        Stop before the first event later than this tick.
    budget : int
        Process at most so many events, so that Python gets a turn.

    Returns
    -------
    bool
        Whether `until` was reached (else the budget was used up, or ``a[STATUS]`` says why it stopped).
    """
    return _run(pointer(a), pointer(tree), pointer(f), pointer(hist), until, budget)


@compiled
def _run(a, tree, f, hist, until, budget):
    """The loop of `run`, which has made pointers of its arrays."""
    for _ in range(budget):
        if a[MIX_CHANGED] and not memory.settle(a, tree, a[NOW]):
            a[STATUS] = NEW_MIX
            return False
        key = tree[1]
        now = key >> SLOT_BITS
        if now > until:
            a[NOW] = until
            return True
        slot = key & SLOT_MASK
        a[STEPS] = a[STEPS] + 1 if now == a[NOW] else 0
        a[NOW] = now
        a[EVENTS] += 1
        if a[TRACE_SIZE] and not _trace(a, now, slot):
            return False
        if slot < a[INBOX_SLOT]:
            t = TASK0 + slot * TASK_WIDTH
            if a[t + STATE] == TIMED_SLEEP:
                drop(a, tree, slot)
                scheduler.wake(a, tree, t, now)
                if a[a[t + CORE] + CURRENT] != t or tree[1] != key:
                    continue
            _advance(a, tree, f, hist, t, now)
        elif slot < a[TICK_SLOT]:
            on_inbox(a, tree, a[CORE0] + (slot - a[INBOX_SLOT]) * CORE_WIDTH, now)
        else:
            on_tick(a, tree, a[CORE0] + (slot - a[TICK_SLOT]) * CORE_WIDTH, now)
        if a[STATUS] != FINE:
            return False
        if a[STEPS] > MAX_INSTANT_EVENTS:
            a[STATUS] = LIVELOCK
            return False
    return False
