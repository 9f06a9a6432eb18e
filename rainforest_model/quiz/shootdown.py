"""A TLB shootdown that waits for its slowest answer."""

from __future__ import annotations

from ..descriptions.machine import Interrupt
from ..descriptions.program import flush_tlb, lock, measure, syscall, unlock
from ..descriptions.scenario import Load
from . import pieces
from .numbers import Numbers
from .problem import Problem

WORK_US = 8
"""What targets still do after that, so that they do not sleep when the interrupt comes."""


def problem(seed: int, numbers: Numbers) -> Problem:
    """How long an unmap takes whose targets may have interrupts off."""
    targets = numbers.between(2, 3)
    begin = numbers.between(5, 8)
    send, deliver = numbers.one_of((100, 200, 300)), numbers.one_of((500, 800, 1000))
    half, flush = numbers.one_of((200, 300, 400)), numbers.one_of((100, 500))
    off = [(numbers.between(1, begin - 1), numbers.between(1, 9)) for _ in range(targets)]
    prices = Interrupt(send=pieces.price(send), deliver=pieces.price(deliver), entry=pieces.price(2 * half))
    unmap = pieces.once("core A", pieces.run(begin), measure("unmap", syscall("munmap", flush_tlb("tlb", 8))))
    loads = [Load(program=unmap, pinned=True)]
    for number, (start, length) in enumerate(off, 1):
        quiet = (lock("quiet"), pieces.run(length), unlock("quiet"))
        target = pieces.once(f"core {pieces.LETTERS[number]}", pieces.run(start), *quiet, pieces.run(WORK_US))
        loads.append(Load(program=target, pinned=True, joins=0))
    return Problem(
        topic="shootdown", seed=seed, title="A TLB shootdown", unit="us",
        given=(
            f"One process has a thread on each of {targets + 1} cores. At {begin} us core A unmaps memory. It",
            f"flushes its own TLB ({flush} ns), then sends an interrupt to each other core, {_others(targets)}:",
            f"sending one takes {send} ns, so that the first is sent after {send} ns, the next {send} ns later. Each",
            f"arrives {deliver} ns after it was sent. The handler takes {half} ns to enter, {flush} ns to flush,",
            f"answers at once, and takes {half} ns to leave. A core with interrupts off begins the handler when it",
            "turns them on again.",
            "Core A waits, spinning, until the last answer is there, and is done.",
            "",
            *(f"core {pieces.LETTERS[i]} has interrupts off from {start} to {start + length} us"
              for i, (start, length) in enumerate(off, 1)),
        ),
        question="How long does the unmap take?",
        scenarios={"": pieces.scenario(
            loads,
            pieces.machine(targets + 1, flush=flush, interrupt=prices),
            {
                "tlb": pieces.structure("tlb", "process", pages_per_flush=64),
                "quiet": pieces.structure("queue_lock", "core", interrupts_off=True),
            },
            costs=dict.fromkeys(("syscall_enter", "syscall_exit", "flush_hypercall"), pieces.price(0)),
        )},
        conclude=lambda watched: (watched[""].latency["unmap"], "The unmap takes"),
    )


def _others(targets: int) -> str:
    letters = pieces.LETTERS[1:targets + 1]
    return f"{', '.join(letters[:-1])} and then {letters[-1]}"
