"""Virtual-memory programs of will-it-scale (antonblanchard/will-it-scale@75f66e4), path by path."""

from __future__ import annotations

from ..descriptions.program import (
    Op,
    Syscall,
    compute,
    count,
    every,
    fault,
    flush_tlb,
    lock,
    measure,
    program,
    read_lock,
    repeat,
    syscall,
    touch,
    unlock,
    write_lock,
)

_SOURCE = "will-it-scale@75f66e4, tests/{}"

# A page comes from and returns to a per-CPU list; the zone's lock is taken once a batch.
page_from_zone = every(
    "pcp_batch", lock("zone_lock"), touch("zone_free_list"), compute("zone_batch"), unlock("zone_lock")
)
# New pages join the LRU lists, and freed ones leave them, a pagevec at a time.
page_on_lru = every("pagevec", lock("lru_lock"), touch("lru_list"), compute("lru_batch"), unlock("lru_lock"))

anonymous_fault = fault(
    read_lock("mmap_sem"),
    compute("fault_path"),
    page_from_zone,
    compute("clear_page"),
    compute("memcg_charge"), lock("memcg"), compute("memcg_section"), unlock("memcg"),
    compute("pte_update"), lock("pte_validation"), compute("pte_validation"), unlock("pte_validation"),
    page_on_lru,
    unlock("mmap_sem"),
)

free_page = (
    page_on_lru,
    compute("memcg_charge"), lock("memcg"), compute("memcg_section"), unlock("memcg"),
    page_from_zone,
)

map_anonymous = syscall(
    "mmap",
    write_lock("mmap_sem"),
    compute("vma_find_gap"), count("vm_committed_as", "pages"), touch("vma_tree"), compute("vma_insert"),
    unlock("mmap_sem"),
)


def unmap_anonymous(*freed: Op) -> Syscall:
    """Unmap an anonymous mapping of which `pages` pages were touched; `freed` frees those of one flush."""
    return syscall(
        "munmap",
        write_lock("mmap_sem"),
        compute("vma_find"),
        repeat(
            "ceil(pages / pages_per_flush)",
            compute("zap_page", times="min(pages, pages_per_flush)"),
            compute("pte_update", times="min(pages, pages_per_flush)"),
            lock("pte_validation"), compute("pte_validation"), unlock("pte_validation"),
            flush_tlb("tlb", "min(pages, pages_per_flush)"),
            *freed,
        ),
        touch("vma_tree"), compute("vma_remove"), count("vm_committed_as", "-pages"),
        unlock("mmap_sem"),
    )


# The same by the handful: one event for what each page of it costs, so that a program with thousands of faults a
# second stays cheap to simulate.  Locks are held as long in all, but as often only once a handful.
# The pages of a mapping are split evenly into handfuls that a per-CPU list's batch can hold.
_handful = "ceil(pages / ceil(pages / pcp_batch))"
_zone_once_a_batch = every(
    f"max(1, pcp_batch // {_handful})",
    lock("zone_lock"), touch("zone_free_list"), compute("zone_batch"), unlock("zone_lock"),
)
_lru_once_a_pagevec = every(
    f"max(1, pagevec // {_handful})",
    repeat(
        f"max(1, {_handful} // pagevec)",
        lock("lru_lock"), touch("lru_list"), compute("lru_batch"), unlock("lru_lock"),
    ),
)
_charged_together = (
    compute("memcg_charge", times=_handful),
    lock("memcg"), compute("memcg_section", times=_handful), unlock("memcg"),
)

touch_together = repeat(
    "ceil(pages / pcp_batch)",
    compute("user_touch", times=_handful),
    compute("fault_enter", times=f"{_handful} - 1"), compute("fault_exit", times=f"{_handful} - 1"),
    fault(
        read_lock("mmap_sem"),
        compute("fault_path", times=_handful),
        _zone_once_a_batch,
        compute("clear_page", times=_handful),
        *_charged_together,
        compute("pte_update", times=_handful),
        lock("pte_validation"), compute("pte_validation", times=_handful), unlock("pte_validation"),
        _lru_once_a_pagevec,
        unlock("mmap_sem"),
    ),
)
"""Touch all pages of an anonymous mapping, a per-CPU list's batch of faults at a time."""

unmap_together = unmap_anonymous(
    repeat(
        f"ceil(min(pages, pages_per_flush) / {_handful})", _lru_once_a_pagevec, *_charged_together, _zone_once_a_batch
    )
)
"""Unmap it, freeing as many pages at a time."""

mmap = program(
    "mmap",
    measure(
        "map and unmap",
        syscall(
            "mmap",
            compute("file_get"),
            write_lock("mmap_sem"),
            compute("vma_find_gap"), count("vm_committed_as", "pages"),
            lock("i_mmap_lock"), compute("i_mmap_insert"), unlock("i_mmap_lock"),
            touch("vma_tree"), compute("vma_insert"),
            unlock("mmap_sem"),
        ),
        syscall(
            "munmap",
            write_lock("mmap_sem"),
            compute("vma_find"),
            lock("i_mmap_lock"), compute("i_mmap_insert"), unlock("i_mmap_lock"),
            touch("vma_tree"), compute("vma_remove"), count("vm_committed_as", "-pages"),
            unlock("mmap_sem"),
            compute("file_put"),
        ),
    ),
    compute("user_loop"),
    title="map and unmap a private file mapping that is never touched (mmap2)",
    source=_SOURCE.format("mmap2.c"),
    pages=32768,
)

malloc = program(
    "malloc",
    measure(
        "allocate and free",
        compute("malloc_user"),
        map_anonymous,
        anonymous_fault,
        compute("malloc_user"),
        syscall(
            "munmap",
            write_lock("mmap_sem"),
            compute("vma_find"),
            compute("zap_page"), compute("pte_update"),
            lock("pte_validation"), compute("pte_validation"), unlock("pte_validation"),
            flush_tlb("tlb", "1 if gather_tracks_pages else pages"),
            *free_page,
            touch("vma_tree"), compute("vma_remove"), count("vm_committed_as", "-pages"),
            unlock("mmap_sem"),
        ),
    ),
    compute("user_loop"),
    title="malloc and free of 128 MB: glibc maps it, writes its header, unmaps it (malloc1)",
    source=_SOURCE.format("malloc1.c"),
    pages=32768,
)

malloc_small = program(
    "malloc_small",
    measure(
        "allocate and free",
        compute("malloc_user"), lock("malloc_arena"), compute("malloc_section"), unlock("malloc_arena"),
        compute("malloc_user"), lock("malloc_arena"), compute("malloc_section"), unlock("malloc_arena"),
    ),
    compute("user_loop"),
    title="malloc and free of 1 KB: glibc's arena, no system call (malloc2)",
    source=_SOURCE.format("malloc2.c"),
)

munmap = program(
    "munmap",
    map_anonymous,
    repeat("pages", compute("user_touch"), anonymous_fault),
    measure("unmap", unmap_anonymous(repeat("min(pages, pages_per_flush)", *free_page))),
    compute("user_loop"),
    title="touch an anonymous mapping, then unmap it; its threads share the address space",
    source="no test of will-it-scale has this name: the munmap half of page_fault1.c, on fewer pages",
    pages=256,
)

page_fault = program(
    "page_fault",
    map_anonymous,
    repeat("pages", compute("user_touch"), measure("page fault", anonymous_fault)),
    syscall(
        "munmap",
        write_lock("mmap_sem"),
        compute("vma_find"),
        repeat(
            "ceil(pages / pages_per_flush)",
            compute("zap_page", times="min(pages, pages_per_flush)"),
            flush_tlb("tlb", "min(pages, pages_per_flush)"),
            repeat("min(pages, pages_per_flush)", *free_page),
        ),
        touch("vma_tree"), compute("vma_remove"), count("vm_committed_as", "-pages"),
        unlock("mmap_sem"),
    ),
    title="touch the pages of an anonymous mapping one by one (page_fault1)",
    source=_SOURCE.format("page_fault1.c") + ", on fewer pages",
    pages=1024,
)
