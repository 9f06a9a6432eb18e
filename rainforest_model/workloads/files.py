"""File-system programs of will-it-scale (antonblanchard/will-it-scale@75f66e4)."""

from __future__ import annotations

from ..descriptions.program import compute, get, lock, measure, program, put, syscall, touch, unlock

open_close = program(
    "open",
    measure(
        "open and close",
        syscall(
            "open",
            compute("getname"),
            lock("fd_table"), compute("fd_allocate"), unlock("fd_table"),
            get("root_dentry"), get("root_dentry"), get("mount"), compute("path_component"),
            get("tmp_dentry"), put("root_dentry"), compute("path_component"),
            get("file_dentry"), put("tmp_dentry"), compute("path_component"),
            put("root_dentry"),
            compute("file_open"),
            lock("files_lock"), touch("files_list"), compute("file_list"), unlock("files_lock"),
            compute("fd_install"),
        ),
        syscall(
            "close",
            lock("fd_table"), compute("fd_release"), unlock("fd_table"),
            compute("file_close"),
            lock("files_lock"), touch("files_list"), compute("file_list"), unlock("files_lock"),
            put("file_dentry"), put("mount"),
        ),
    ),
    compute("user_loop"),
    title="open and close a file of one's own below /tmp (open1)",
    source="will-it-scale@75f66e4, tests/open1.c",
)
