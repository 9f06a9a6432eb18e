"""Page faults since Linux 6.4: a fault locks the mapping that it touches, not the whole address space."""

from __future__ import annotations

from ..descriptions.program import INNER, Fault, OnStructure, Op, Program


def under_vma_locks(program: Program) -> Program:
    """The program with ``vma_lock`` in its page faults where it has ``mmap_sem``.

    What maps and unmaps keeps ``mmap_sem``; that it also locks its own mapping, which nobody else touches, is left
    out.  The kernel needs a structure ``vma_lock`` (`linux-6.12` has one).

    Examples
    --------
    >>> from rainforest_model.workloads import structures_of, workload
    >>> sorted(structures_of(under_vma_locks(workload("page_fault"))) - structures_of(workload("page_fault")))
    ['vma_lock']
    """
    return program.model_copy(update={"ops": tuple(_changed(op, in_fault=False) for op in program.ops)})


def _changed(op: Op, in_fault: bool) -> Op:
    """The operation and what is in it; inside of a fault with the mapping's lock."""
    if in_fault and isinstance(op, OnStructure) and op.what == "mmap_sem":
        return op.model_copy(update={"what": "vma_lock"})
    deeper = in_fault or isinstance(op, Fault)
    inner = {key: tuple(_changed(item, deeper) for item in getattr(op, key)) for key in INNER if hasattr(op, key)}
    return op.model_copy(update=inner)
