"""What is timed: loops that Numba compiles, which call the C library and touch shared lines themselves.

Only the process that measures imports this module (`rainforest_model.measure.child`): inline assembly that cannot be
assembled ends its process, and calls of the C library cannot be cached (``cache=False``).

Every loop has the signature ``loop(shared, a, counts, sums)``: the address of the shared pages, its arguments
(`ARGUMENTS`), and where it leaves histograms (int64[series, BUCKETS] of engine ticks) and sums (int64[SUMS]).  It waits
for the others, does one operation after another until its time is over, and never holds a lock when it leaves.
"""

from __future__ import annotations

import mmap

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..histogram import MAX_VALUE, SUB_BITS
from .host import has_steady_counter
from .layout import (
    ABANDONED,
    ARRIVED,
    DATA,
    ELAPSED,
    FAILED,
    GAP,
    LENGTH,
    LONGEST_WAIT,
    OPERATION,
    OPERATIONS,
    OVERHEAD,
    PAGES,
    SCALE_BITS,
    SCALED,
    SERVING,
    TAKEN,
    TICKET,
    TOTALS,
    TURN,
    WARM_UP,
    WORKERS,
)

_PAGE = mmap.PAGESIZE
_READ_WRITE = mmap.PROT_READ | mmap.PROT_WRITE
_PRIVATE_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_BATCH = 1000
"""Operations on a line of one's own that are timed together: each is shorter than the clock."""

LOAD, STORE, ATOMIC = 0, 1, 2
STEADY = has_steady_counter()
"""Whether the time-stamp counter is the clock; else it is CLOCK_MONOTONIC."""


def _njit(function):
    return numba.njit(nogil=True, cache=False, _nrt=False)(function)


# --- the clock and shared lines ---------------------------------------------------------------------------

if STEADY:
    llvmlite.binding.initialize_native_asmparser()

    @intrinsic
    def clock(typingctx):
        """The time-stamp counter, once all earlier instructions are done and before any later one starts."""
        def generate(context, builder, signature, arguments):
            i64 = ir.IntType(64)
            text = "rdtscp; lfence; shlq $$32, %rdx; orq %rdx, %rax"
            constraints = "={rax},~{rdx},~{rcx},~{memory},~{flags},~{dirflag},~{fpsr}"
            return builder.asm(ir.FunctionType(i64, []), text, constraints, [], True)

        return types.int64(), generate

else:

    @intrinsic
    def clock(typingctx):
        """CLOCK_MONOTONIC in nanoseconds."""
        def generate(context, builder, signature, arguments):
            i32, i64 = ir.IntType(32), ir.IntType(64)
            time = cgutils.alloca_once(builder, ir.ArrayType(i64, 2))
            called = ir.FunctionType(i32, [i32, time.type])
            builder.call(cgutils.get_or_insert_function(builder.module, called, "clock_gettime"), [i32(1), time])
            seconds, ns = (builder.load(builder.gep(time, [i32(0), i32(k)])) for k in (0, 1))
            return builder.add(builder.mul(seconds, i64(10**9)), ns)

        return types.int64(), generate


def _pointer(builder, address):
    return builder.inttoptr(address, ir.IntType(64).as_pointer())


@intrinsic
def load(typingctx, address):
    """The word at an address, as other cores have left it."""
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(builder, arguments[0]), ordering="acquire", align=8)

    return types.int64(types.int64), generate


@intrinsic
def store(typingctx, address, value):
    """Write a word, after everything before it."""
    def generate(context, builder, signature, arguments):
        builder.store_atomic(arguments[1], _pointer(builder, arguments[0]), ordering="release", align=8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def fence(typingctx):
    """Wait until all stores are seen by all cores."""
    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.none(), generate


@intrinsic
def fetch_add(typingctx, address, value):
    """Add to a word atomically; what it was before."""
    def generate(context, builder, signature, arguments):
        return builder.atomic_rmw("add", _pointer(builder, arguments[0]), arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


_mmap = types.ExternalFunction(
    "mmap", types.int64(types.int64, types.int64, types.int32, types.int32, types.int32, types.int64)
)
_munmap = types.ExternalFunction("munmap", types.int32(types.int64, types.int64))
_getppid = types.ExternalFunction("getppid", types.int32())


# --- what all loops do ------------------------------------------------------------------------------------


@_njit
def bucket(value):
    """Bucket of a value, as `rainforest_model.histogram.bucket_index`."""
    shift = 0
    while value >> (shift + SUB_BITS + 1):
        shift += 1
    return (shift << SUB_BITS) + (value >> shift)


@_njit
def recorded(counts, sums, a, series, elapsed):
    """Count one latency, less what reading the clock takes, and never below zero."""
    ticks = (max(0, elapsed - a[OVERHEAD]) * a[SCALED]) >> SCALE_BITS
    ticks = min(ticks, MAX_VALUE)
    counts[series, bucket(ticks)] += 1
    sums[TOTALS + series] += ticks


@_njit
def started(shared, a, sums):
    """Wait until all workers are here; the time, or 0 if somebody never came."""
    fetch_add(shared + ARRIVED, 1)
    patience = clock() + a[LONGEST_WAIT]
    while load(shared + ARRIVED) < a[WORKERS]:
        if clock() > patience:
            sums[ABANDONED] = 1
            return 0
    return clock()


@_njit
def finished(a, sums, began, operations, now):
    sums[OPERATIONS] = operations
    sums[ELAPSED] = ((now - began) * a[SCALED]) >> SCALE_BITS


# --- the loops --------------------------------------------------------------------------------------------


@_njit
def read_clock(shared, a, counts, sums):
    """The clock twice, nothing between: what it costs."""
    began = now = started(shared, a, sums)
    end, operations = began + a[LENGTH], 0
    while began and now < end:
        first = clock()
        now = clock()
        recorded(counts, sums, a, 0, now - first)
        operations += 1
    finished(a, sums, began, operations, now)


@_njit
def system_call(shared, a, counts, sums):
    """A system call that does nearly nothing (getppid), and one that only takes and gives back mmap_lock.

    The second is mmap of no pages: Linux takes the lock, and refuses.
    """
    began = now = started(shared, a, sums)
    end, operations = began + a[LENGTH], 0
    while began and now < end:
        first = clock()
        _getppid()
        second = clock()
        _mmap(0, 0, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
        now = clock()
        recorded(counts, sums, a, 0, second - first)
        recorded(counts, sums, a, 1, now - second)
        operations += 1
    finished(a, sums, began, operations, now)


@_njit
def map_and_unmap(shared, a, counts, sums):
    """Map pages privately, touch none, unmap them (mmap1 of will-it-scale)."""
    size = a[PAGES] * _PAGE
    for _ in range(a[WARM_UP]):
        place = _mmap(0, size, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
        if place != -1:
            _munmap(place, size)
    began = now = started(shared, a, sums)
    end, operations = began + a[LENGTH], 0
    while began and now < end:
        first = clock()
        place = _mmap(0, size, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
        second = clock()
        if place == -1:
            sums[FAILED] = 1
            break
        _munmap(place, size)
        now = clock()
        recorded(counts, sums, a, 0, now - first - a[OVERHEAD])
        recorded(counts, sums, a, 1, second - first)
        recorded(counts, sums, a, 2, now - second)
        operations += 1
    finished(a, sums, began, operations, now)


@_njit
def unmap_touched(shared, a, counts, sums):
    """Map pages, write to each, and time the unmapping: it has translations to flush."""
    size = a[PAGES] * _PAGE
    began = now = started(shared, a, sums)
    end, operations = began + a[LENGTH], 0
    while began and now < end:
        place = _mmap(0, size, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
        if place == -1:
            sums[FAILED] = 1
            break
        for page in range(a[PAGES]):
            store(place + page * _PAGE, 1)
        first = clock()
        _munmap(place, size)
        now = clock()
        recorded(counts, sums, a, 0, now - first)
        operations += 1
    finished(a, sums, began, operations, now)


@_njit
def spin(shared, a, counts, sums):
    """Read the clock over and over: a gap is time that somebody else took from this core."""
    began = now = started(shared, a, sums)
    end, gaps = began + a[LENGTH], 0
    while began and now < end:
        before = now
        now = clock()
        if now - before > a[GAP]:
            recorded(counts, sums, a, 0, now - before)
            gaps += 1
    finished(a, sums, began, gaps, now)


@_njit
def own_line(shared, a, counts, sums):
    """Loads, stores or atomic operations on a line that is in this core's cache; each the mean of a batch."""
    began = now = started(shared, a, sums)
    end, operations, place, kind, chain = began + a[LENGTH], 0, shared + DATA, a[OPERATION], 0
    store(place, 0)
    while began and now < end:
        first = clock()
        if kind == LOAD:
            for _ in range(_BATCH):
                chain = load(place + chain)
        elif kind == STORE:
            for _ in range(_BATCH):
                store(place, 0)
        else:
            for _ in range(_BATCH):
                fetch_add(place, 0)
        now = clock()
        each = (max(0, now - first - a[OVERHEAD]) * a[SCALED] // _BATCH) >> SCALE_BITS
        counts[0, bucket(each)] += 1
        sums[TOTALS] += each
        operations += 1
    finished(a, sums, began, operations, now)


@_njit
def write_line(shared, a, counts, sums):
    """The partner of `fetch_line`: write the line, and say so on another."""
    began = started(shared, a, sums)
    patience, turn = began + a[LENGTH] + a[LONGEST_WAIT], 0
    while began:
        while load(shared + TURN) != turn:
            if load(shared + TURN) < 0 or clock() > patience:
                return
        store(shared + DATA, turn)
        store(shared + TURN, turn + 1)
        turn += 2


@_njit
def fetch_line(shared, a, counts, sums):
    """Get the line that another core has just written: by a load, a store or an atomic operation, each timed."""
    began = now = started(shared, a, sums)
    end, turn, operations, kind = began + a[LENGTH], 1, 0, a[OPERATION]
    patience = end + a[LONGEST_WAIT]
    while began and now < end:
        while load(shared + TURN) != turn:
            if clock() > patience:
                sums[ABANDONED] = 1
                return
        first = clock()
        if kind == LOAD:
            load(shared + DATA)
        elif kind == STORE:
            store(shared + DATA, 0)
            fence()
        else:
            fetch_add(shared + DATA, 1)
        now = clock()
        recorded(counts, sums, a, 0, now - first)
        operations += 1
        store(shared + TURN, turn + 1 if now < end else -1)
        turn += 2
    store(shared + TURN, -1)
    finished(a, sums, began, operations, now)


@_njit
def hammer(shared, a, counts, sums):
    """Atomic operations on one line without a pause; each the mean of a batch."""
    began = now = started(shared, a, sums)
    end, operations = began + a[LENGTH], 0
    while began and now < end:
        first = clock()
        for _ in range(_BATCH):
            fetch_add(shared + DATA, 1)
        now = clock()
        each = (max(0, now - first - a[OVERHEAD]) * a[SCALED] // _BATCH) >> SCALE_BITS
        counts[0, bucket(each)] += 1
        sums[TOTALS] += each
        operations += _BATCH
    finished(a, sums, began, operations, now)


@_njit
def take_lock(shared, a, counts, sums):
    """A ticket lock on one line: how long taking it takes, and how long a hand-over to one who waits."""
    began = now = started(shared, a, sums)
    end, operations = began + a[LENGTH], 0
    patience = end + a[LONGEST_WAIT]
    while began and now < end:
        first = clock()
        ticket = fetch_add(shared + TICKET, 1)
        waited = load(shared + SERVING) != ticket
        looks = 0
        while load(shared + SERVING) != ticket:
            looks += 1
            if looks & 0xFFFF == 0 and clock() > patience:
                sums[ABANDONED] = 1
                return
        released = load(shared + TAKEN)
        now = clock()
        store(shared + TAKEN, now)
        store(shared + SERVING, ticket + 1)
        recorded(counts, sums, a, 0, now - first)
        if waited:
            recorded(counts, sums, a, 1, now - released)
        operations += 1
    finished(a, sums, began, operations, now)


LOOPS = {
    "read_clock": (read_clock, ("the clock itself",)),
    "system_call": (system_call, ("system call", "lock and unlock")),
    "map_and_unmap": (map_and_unmap, ("map and unmap", "map", "unmap")),
    "unmap_touched": (unmap_touched, ("unmap",)),
    "spin": (spin, ("time taken away",)),
    "own_line": (own_line, ("own line",)),
    "write_line": (write_line, ()),
    "fetch_line": (fetch_line, ("fetch",)),
    "hammer": (hammer, ("atomic operation",)),
    "take_lock": (take_lock, ("take", "hand-over")),
}
"""Every loop by its name, with the names of its histograms."""


def compile_all(names) -> None:
    """Compile these loops; without it the first to start would compile while the others wait."""
    for name in names:
        function, _ = LOOPS[name]
        function.compile((types.int64, types.int64[::1], types.int64[:, ::1], types.int64[::1]))


def now() -> int:
    """The clock, for calibration."""
    return int(_now())


@_njit
def _now():
    return clock()


__all__ = ["LOOPS", "STEADY", "compile_all", "now"]
