"""Virtual-memory programs of will-it-scale (antonblanchard/will-it-scale@75f66e4), path by path."""

from __future__ import annotations

from ..descriptions.program import (
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
_page_from_zone = every(
    "pcp_batch", lock("zone_lock"), touch("zone_free_list"), compute("zone_batch"), unlock("zone_lock")
)
# New pages join the LRU lists, and freed ones leave them, a pagevec at a time.
_page_on_lru = every("pagevec", lock("lru_lock"), touch("lru_list"), compute("lru_batch"), unlock("lru_lock"))

_anonymous_fault = fault(
    read_lock("mmap_sem"),
    compute("fault_path"),
    _page_from_zone,
    compute("clear_page"),
    compute("memcg_charge"), lock("memcg"), compute("memcg_section"), unlock("memcg"),
    compute("pte_update"), lock("pte_validation"), compute("pte_validation"), unlock("pte_validation"),
    _page_on_lru,
    unlock("mmap_sem"),
)

_free_page = (
    _page_on_lru,
    compute("memcg_charge"), lock("memcg"), compute("memcg_section"), unlock("memcg"),
    _page_from_zone,
)

_map_anonymous = syscall(
    "mmap",
    write_lock("mmap_sem"),
    compute("vma_find_gap"), count("vm_committed_as", "pages"), touch("vma_tree"), compute("vma_insert"),
    unlock("mmap_sem"),
)

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
        _map_anonymous,
        _anonymous_fault,
        compute("malloc_user"),
        syscall(
            "munmap",
            write_lock("mmap_sem"),
            compute("vma_find"),
            compute("zap_page"), compute("pte_update"),
            lock("pte_validation"), compute("pte_validation"), unlock("pte_validation"),
            flush_tlb("tlb", "1 if gather_tracks_pages else pages"),
            *_free_page,
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
    _map_anonymous,
    repeat("pages", compute("user_touch"), _anonymous_fault),
    measure(
        "unmap",
        syscall(
            "munmap",
            write_lock("mmap_sem"),
            compute("vma_find"),
            repeat(
                "ceil(pages / pages_per_flush)",
                compute("zap_page", times="min(pages, pages_per_flush)"),
                compute("pte_update", times="min(pages, pages_per_flush)"),
                lock("pte_validation"), compute("pte_validation"), unlock("pte_validation"),
                flush_tlb("tlb", "min(pages, pages_per_flush)"),
                repeat("min(pages, pages_per_flush)", *_free_page),
            ),
            touch("vma_tree"), compute("vma_remove"), count("vm_committed_as", "-pages"),
            unlock("mmap_sem"),
        ),
    ),
    compute("user_loop"),
    title="touch an anonymous mapping, then unmap it; its threads share the address space",
    source="no test of will-it-scale has this name: the munmap half of page_fault1.c, on fewer pages",
    pages=256,
)

page_fault = program(
    "page_fault",
    _map_anonymous,
    repeat("pages", compute("user_touch"), measure("page fault", _anonymous_fault)),
    syscall(
        "munmap",
        write_lock("mmap_sem"),
        compute("vma_find"),
        repeat(
            "ceil(pages / pages_per_flush)",
            compute("zap_page", times="min(pages, pages_per_flush)"),
            flush_tlb("tlb", "min(pages, pages_per_flush)"),
            repeat("min(pages, pages_per_flush)", *_free_page),
        ),
        touch("vma_tree"), compute("vma_remove"), count("vm_committed_as", "-pages"),
        unlock("mmap_sem"),
    ),
    title="touch the pages of an anonymous mapping one by one (page_fault1)",
    source=_SOURCE.format("page_fault1.c") + ", on fewer pages",
    pages=1024,
)
