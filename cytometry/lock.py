"""Lock: one run on a result folder at a time.

The lock is the operating system's, on an open file: it ends with its process, however that ends, so that a file
left by a killed run keeps nobody out. It is our own, since twenty lines are less than a dependency, and the one
that is refused has to hear who holds it.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from cytometry.errors import RunError

LOCK = Path(".cache", "lock")
FAR = 2**30  # Windows locks bytes, and nobody could read who holds them: one far behind the text


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs away from a result folder.

    Raises
    ------
    RunError
        If another run is at work there, with its process, machine and beginning; or the folder cannot be written.
    """
    path = folder / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+", encoding="utf-8")
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; choose another folder or make room"
        raise RunError(msg) from error
    with handle:
        try:
            _take(handle)
        except BlockingIOError:
            raise RunError(_held(folder, handle)) from None
        except OSError as error:
            msg = f"cannot lock {path}: {error.strerror or error}; choose a folder on a disk of this machine"
            raise RunError(msg) from error
        _sign(handle)
        yield


def _sign(handle: IO[str]) -> None:
    said = {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        handle.seek(0)
        handle.truncate()
        handle.write(json.dumps(said))
        handle.flush()
    except OSError as error:
        msg = f"cannot write {handle.name}: {error.strerror or error}; choose another folder or make room"
        raise RunError(msg) from error


def _held(folder: Path, handle: IO[str]) -> str:
    handle.seek(0)
    try:
        said = json.loads(handle.read())
        who = f"process {said['pid']} on {said['host']}, since {said['since']}"
    except (ValueError, KeyError, TypeError):
        who = "a process that has not said who it is"
    return f"{folder} is in use by another run ({who}); wait for it, end it, or choose another folder"


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _take(handle: IO[str]) -> None:
        handle.seek(FAR)
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
else:
    import fcntl

    def _take(handle: IO[str]) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
