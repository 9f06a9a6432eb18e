"""The lowered micro-operations that both engines execute, and their operands.

An operation is a row of eight integers: its code and seven operands.  Effects come first, then the
time passes, then the next operation starts; an operation of no time is followed by the next at once.

======================  =======================================================================
operation               operands
======================  =======================================================================
JUMP                    target
COMPUTE                 ticks
DRAW_COMPUTE            distribution, p, q, stream
SLEEP                   distribution, p, q, stream
MEASURE_BEGIN           -
MEASURE_END             series
ENTER_KERNEL            ticks
LEAVE_KERNEL            ticks
TICKET_LOCK, QUEUE_LOCK symbol, place, modulus, interrupts off
TICKET_UNLOCK,
QUEUE_UNLOCK            symbol, -, -, interrupts on again
MUTEX_LOCK              symbol, place, modulus, optimistic
MUTEX_UNLOCK            symbol
READ_LOCK, WRITE_LOCK   symbol, place, modulus, optimistic
READ_UNLOCK,
WRITE_UNLOCK            symbol
LINE_READ, LINE_WRITE,
LINE_ATOMIC             symbol, place, modulus
COUNT                   symbol, amount, batch, ticks of the local add, target when local
SPARE                   symbol, +1 or -1, threshold, ticks when local, target when local
SEQ_BEGIN               symbol, place, modulus, register
SEQ_RETRY               symbol, place, modulus, register, target when a writer came between
SEQ_WRITE               symbol, place, modulus
SET                     register, value
LOOP                    register, target while passes are left
EVERY                   register, period, target when not yet
FLUSH_TEST              target when no other core has the address space loaded
FLUSH                   ticks to send to one target, of a target's handler until it answers and
                        after that, from one answer to the next, from a send to its arrival, and
                        whether it arrives as a cache line, whose transfer comes on top
SEND, RECEIVE           symbol
SCATTER                 symbol, copies, parts for each
RECEIVE_PART            symbol
GATHER                  series, target when others have parts still
ARRIVE                  first, end, register
======================  =======================================================================

*Place* says which copy a symbol means on the core that runs: see `PLACE_FIXED` and its neighbours.
*distribution* is one of `CONSTANT`, `EXPONENTIAL`, `LOGNORMAL`, `UNIFORM`; p and q index its real
parameters (ticks).  *first* and *end* are places in `Tables.arrivals`; the register counts from *first* on.
"""

from __future__ import annotations

(
    JUMP, COMPUTE, DRAW_COMPUTE, SLEEP, MEASURE_BEGIN, MEASURE_END, ENTER_KERNEL, LEAVE_KERNEL,
    TICKET_LOCK, QUEUE_LOCK, TICKET_UNLOCK, QUEUE_UNLOCK, MUTEX_LOCK, MUTEX_UNLOCK,
    READ_LOCK, WRITE_LOCK, READ_UNLOCK, WRITE_UNLOCK, LINE_READ, LINE_WRITE, LINE_ATOMIC,
    COUNT, SPARE, SEQ_BEGIN, SEQ_RETRY, SEQ_WRITE, SET, LOOP, EVERY, FLUSH_TEST, FLUSH, SEND, RECEIVE,
    SCATTER, RECEIVE_PART, GATHER, ARRIVE,
) = range(37)

NAMES = tuple(name for name, _ in sorted(
    ((name, code) for name, code in globals().items() if name.isupper() and isinstance(code, int)),
    key=lambda item: item[1],
))

CONSTANT, EXPONENTIAL, LOGNORMAL, UNIFORM = range(4)
"""Distributions of DRAW_COMPUTE and SLEEP: (ticks), (mean), (mu, sigma of the logarithm), (mean)."""

PLACE_FIXED, PLACE_CORE, PLACE_SLOT, PLACE_SOCKET = range(4)
"""One copy; the running core's; copy (core mod modulus); the running core's socket's."""

OPERANDS = 7
