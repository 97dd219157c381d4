"""Tasks for the tests of workers, in a module of their own, as another process has to import them."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from threading import get_ident

SECONDS = 30.0


def double(number: int) -> int:
    return 2 * number


def double_unless_three(number: int) -> int:
    if number == 3:
        msg = "three cannot be gated"
        raise ValueError(msg)
    return 2 * number


def slowly_double(number: int, seconds: float) -> int:
    time.sleep(seconds)
    return 2 * number


def double_if_spared(number: int, folder: Path) -> int:
    """Wait, the first time that 3 is asked for, to be killed; ``folder/pid`` says whom to kill."""
    told = folder / "pid"
    if number == 3 and not told.exists():
        aside = folder / "aside"
        aside.write_text(str(os.getpid()))
        aside.rename(told)
        time.sleep(SECONDS)
    return 2 * number


def die_of_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * number


def tell_and_wait(number: int, folder: Path) -> None:
    (folder / f"{number}.pid").write_text(str(os.getpid()))
    time.sleep(SECONDS)


def speak(number: int) -> int:
    print("a task may print", flush=True)
    sys.stdout.buffer.write(b"\x80\x05 bytes as well")
    sys.stdout.flush()
    return 2 * number


def give_what_cannot_travel(number: int) -> object:
    return (lambda: number) if number == 3 else 2 * number


def leave(number: int) -> None:
    sys.exit(number)


def threads_of_arithmetic() -> str:
    return os.environ["OMP_NUM_THREADS"]


def who() -> tuple[int, int]:
    return os.getpid(), get_ident()


def look_first_in(folder: Path) -> None:
    sys.path.insert(0, str(folder))
