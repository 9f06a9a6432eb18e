"""Finished points in one file, which survives whatever ends the process that writes it.

The file is a log that is only ever appended to, one line a record with a checksum of its own, and an index in memory
of where each key's records lie (as in Bitcask: Sheehy and Smith, 2010). A page of a B-tree that is damaged takes others
with it; a line that is damaged costs itself, wherever it lies: it is left out, and its point is computed again.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError

VERSION = 1
_HEAD = "rainforest-sweep-store"
_NONE = "-"
_SHORTEST = 12
"""Bytes of a line, checksum and line break included, below which it can hold no record."""
_FAR = 2**40
"""Byte that is locked on Windows, where nobody can read what is locked."""
SYNC_S = 1.0
"""Longest time for which a record may wait for the disk; the crash of the process alone loses none."""

Outcome = dict[str, dict[str, float] | float]
"""What is kept of one replication: a table of statistics for each series, and the counts of the whole."""


class Store:
    """Outcomes of points by the key of their content.

    Parameters
    ----------
    path : Path
        Made where it is missing, with its folder.

    Attributes
    ----------
    damaged : int
        Records that could not be read, and are left out.

    Raises
    ------
    InputError
        If another process writes to it, it is no store or one of another version, or it cannot be read or written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder, "mine.store")) as store:
    ...     store.put("asked", "content", {0: {"samples": 12.0}})
    ...     store.content("asked"), store.outcomes("content")
    ('content', {0: {'samples': 12.0}})
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.damaged = 0
        self._content: dict[str, str] = {}
        self._failed: dict[str, int] = {}
        self._places: dict[str, list[int]] = {}
        self._synced = time.monotonic()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise self._misfit(f"cannot be opened: {error.strerror}") from None
        try:
            _lock(self._file, self.path)
            self._end = self._index()
            if self._end == 0:
                self._append(_record(_HEAD, str(VERSION), {}))
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Write what may still be on its way to the disk, and let others in."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)

    def _misfit(self, reason: str) -> InputError:
        return InputError(reason, file=self.path)

    # --- reading

    def content(self, asked: str) -> str | None:
        """Key of the content to which a question leads, if it is known."""
        return self._content.get(asked)

    def failure(self, asked: str) -> str | None:
        """Why the point of a question fails, if that is known."""
        place = self._failed.get(asked)
        return None if place is None else self._at(place).get("failure")

    def contents(self) -> Iterator[str]:
        """The keys of all contents of which there are outcomes."""
        return iter(self._places)

    def outcomes(self, content: str) -> dict[int, Outcome]:
        """What is kept of a content, by replication."""
        found: dict[int, Outcome] = {}
        for place in self._places.get(content, ()):
            found |= {int(number): outcome for number, outcome in self._at(place).get("outcomes", {}).items()}
        return found

    def _at(self, place: int) -> dict:
        line = b""
        while not line.endswith(b"\n"):
            piece = self._read(place + len(line), 4096)
            if not piece:
                break
            newline = piece.find(b"\n")
            line += piece if newline < 0 else piece[:newline + 1]
        parts = _parts(line)
        return json.loads(parts[2]) if parts else {}  # damaged since it was indexed: as if it were not there

    def _read(self, place: int, size: int) -> bytes:
        os.lseek(self._file, place, os.SEEK_SET)
        return os.read(self._file, size)

    def _index(self) -> int:
        """Note where everything lies; the length of the file."""
        end = os.fstat(self._file).st_size
        place, sound = 0, 0
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                parts = _parts(line)
                if parts is None:
                    self.damaged += bool(line.strip())
                elif parts[0] == _HEAD:
                    if parts[1] != str(VERSION):
                        raise self._misfit(
                            f"is a store of version {parts[1]}, and this program writes version {VERSION}; "
                            "name another one with --store"
                        )
                    sound += 1
                else:
                    sound += 1
                    self._note(*parts[:2], place)
                place += len(line)
        if place and not sound:
            raise self._misfit("is no store of sweeps, or nothing of it can be read; name another one with --store")
        return end

    def _note(self, asked: str, content: str, place: int) -> None:
        if content == _NONE:
            self._failed[asked] = place
            return
        self._content[asked] = content
        self._places.setdefault(content, []).append(place)

    # --- writing

    def put(self, asked: str, content: str, outcomes: dict[int, Outcome]) -> None:
        """Keep what a question leads to, and new outcomes of it.

        Raises
        ------
        InputError
            If it cannot be written; whatever was written before is kept.
        """
        place = self._append(_record(asked, content, {"outcomes": outcomes}))
        self._note(asked, content, place)

    def put_failure(self, asked: str, reason: str) -> None:
        """Keep why the point of a question fails."""
        place = self._append(_record(asked, _NONE, {"failure": reason}))
        self._note(asked, _NONE, place)

    def _append(self, record: bytes) -> int:
        """Write a record behind all others; where it begins."""
        place = self._end
        if place and self._read(place - 1, 1) != b"\n":
            record, place = b"\n" + record, place + 1  # the process before was killed within a record
        try:
            os.lseek(self._file, self._end, os.SEEK_SET)
            written = 0
            while written < len(record):
                written += os.write(self._file, record[written:])
            if time.monotonic() - self._synced > SYNC_S:
                os.fsync(self._file)
                self._synced = time.monotonic()
        except OSError as error:
            os.ftruncate(self._file, self._end)
            reason = f"cannot be written: {error.strerror}; the points that were finished before are kept"
            raise self._misfit(reason) from None
        self._end += len(record)
        return place


def _record(asked: str, content: str, told: dict) -> bytes:
    body = f"{asked} {content} {json.dumps(told, separators=(',', ':'))}".encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _checked(line: bytes) -> bytes | None:
    """What stands behind the checksum, if that is right and the line is whole."""
    try:
        right = len(line) > _SHORTEST and line.endswith(b"\n") and int(line[:8], 16) == zlib.crc32(line[9:-1])
    except ValueError:
        return None
    return line[9:-1] if right else None


def _parts(line: bytes) -> tuple[str, str, bytes] | None:
    """A sound line's two keys, and what it tells as JSON."""
    body = _checked(line)
    if body is None:
        return None
    asked, content, told = body.split(b" ", 2)
    return asked.decode(), content.decode(), told


def _lock(file: int, path: Path) -> None:
    """Keep others out for as long as the file is open; the system lets go when the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(file, _FAR, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        reason = "is in use by another process; wait for it, or name another store with --store"
        raise InputError(reason, file=path) from None
