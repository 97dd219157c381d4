"""Workers: whoever does the jobs, the results are the same, and one bad job or killed worker stops no other."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cytometry.errors import RunError
from cytometry.workers import LOST, Failure, open_workers

HERE = Path(__file__).parent
PATIENCE = 20.0
EIGHT = [(number,) for number in range(8)]
DOUBLES = {str(number): 2 * number for number in range(8)}


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("worker_tasks")


def results(
    task: Callable[..., Any],
    arguments: Iterable[tuple[Any, ...]],
    *,
    jobs: int = 2,
    scheduler: str | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with open_workers(jobs, scheduler=scheduler) as workers:
        workers.run(task, ((str(n), one) for n, one in enumerate(arguments)), done=found.__setitem__)
    return found


def until(said: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def kill_whoever_is_named(path: Path) -> threading.Thread:
    """Kill -9 the process whose number is written to a file, as soon as it is there."""

    def kill() -> None:
        until(path.exists)
        os.kill(int(path.read_text()), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"  # a zombie has ended; whose child it was has not looked yet


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_do_not_depend_on_the_number_of_processes(tasks: ModuleType, jobs: int) -> None:
    assert results(tasks.double, EIGHT, jobs=jobs) == DOUBLES


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_job_that_fails_says_why_and_stops_no_other(tasks: ModuleType, jobs: int) -> None:
    found = results(tasks.double_unless_three, EIGHT, jobs=jobs)
    failure = found.pop("3")
    assert (failure.name, failure.message, failure.kind) == ("3", "three cannot be gated", "ValueError")
    assert "double_unless_three" in failure.trace
    assert found == {name: value for name, value in DOUBLES.items() if name != "3"}


def test_a_worker_killed_in_mid_job_is_replaced_and_its_job_done_by_another(
    tasks: ModuleType, tmp_path: Path
) -> None:
    killer = kill_whoever_is_named(tmp_path / "pid")
    found = results(tasks.double_if_spared, [(number, tmp_path) for number in range(8)])
    killer.join()
    assert found == DOUBLES


def test_a_job_that_kills_its_worker_twice_has_failed_and_the_others_go_on(tasks: ModuleType) -> None:
    found = results(tasks.die_of_three, EIGHT)
    failure = found.pop("3")
    assert failure.kind == LOST
    assert "ended twice (SIGKILL, as when memory runs out)" in failure.message
    assert found == {name: value for name, value in DOUBLES.items() if name != "3"}


def test_all_jobs_share_a_few_long_lived_processes(tasks: ModuleType) -> None:
    found = results(tasks.who, [()] * 20)
    assert len({pid for pid, _ in found.values()}) <= 2
    assert os.getpid() not in {pid for pid, _ in found.values()}


def test_workers_that_work_once_work_again(tasks: ModuleType) -> None:
    with open_workers(2) as workers:
        for _ in range(2):
            found: dict[str, Any] = {}
            workers.run(tasks.double, ((str(n), (n,)) for n in range(8)), done=found.__setitem__)
            assert found == DOUBLES


def test_ten_thousand_jobs_are_not_queued_at_once(tasks: ModuleType) -> None:
    taken, finished, ahead = 0, 0, 0

    def many() -> Iterator[tuple[str, tuple[int]]]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield str(number), (number,)

    def done(name: str, result: Any) -> None:
        nonlocal finished, ahead
        finished += 1
        ahead = max(ahead, taken - finished)

    with open_workers(2) as workers:
        workers.run(tasks.double, many(), done=done)
    assert finished == 10_000
    assert ahead <= 2


def test_what_a_task_prints_is_not_taken_for_its_answer(tasks: ModuleType) -> None:
    assert results(tasks.speak, EIGHT) == DOUBLES


def test_each_worker_has_one_thread_of_arithmetic(tasks: ModuleType) -> None:
    assert results(tasks.threads_of_arithmetic, [()]) == {"0": "1"}


def test_a_result_that_cannot_travel_is_that_jobs_failure(tasks: ModuleType) -> None:
    found = results(tasks.give_what_cannot_travel, EIGHT)
    assert "its result cannot be sent back" in found["3"].message
    assert found["4"] == 8


def test_arguments_that_cannot_travel_are_that_jobs_failure(tasks: ModuleType) -> None:
    found = results(tasks.double, [(1,), (lambda: 2,), (3,)])
    assert "its arguments cannot be sent" in found["1"].message
    assert (found["0"], found["2"]) == (2, 6)


def test_a_task_without_an_address_is_refused(tasks: ModuleType) -> None:
    with pytest.raises(RunError, match="put it into a module"):
        results(lambda number: number, EIGHT)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_no_failure_of_a_job_ends_the_run(tasks: ModuleType, jobs: int) -> None:
    with pytest.raises(SystemExit) as stop:
        results(tasks.leave, [(7,)], jobs=jobs)
    assert stop.value.code == 7


def test_an_error_of_the_caller_ends_the_workers(tasks: ModuleType) -> None:
    def refuse(name: str, result: Any) -> None:
        msg = "no room for the result"
        raise OSError(msg)

    before = children()
    with open_workers(2) as workers:
        with pytest.raises(OSError, match="no room"):
            workers.run(tasks.slowly_double, [("0", (0, 0.0)), ("1", (1, 30.0))], done=refuse)
        assert children() <= before


def children() -> set[int]:
    """Return the living children of this process."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split()
    return {int(pid) for pid in listed if alive(int(pid))}


def asking(folder: Path, *, after: str = "") -> str:
    """Return a script without a ``__main__`` guard that puts two workers to work."""
    return f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from pathlib import Path
from cytometry.workers import open_workers
import worker_tasks
with open_workers(2) as workers:
    workers.run(worker_tasks.tell_and_wait, ((str(n), (n, Path({str(folder)!r}))) for n in range(9)), done=print)
{after}"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_a_run_is_ended_no_worker_is_left_behind(tmp_path: Path, ending: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", asking(tmp_path)], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as script:
        until(
            lambda: all(
                (tmp_path / f"{n}.pid").exists() and (tmp_path / f"{n}.pid").read_text() for n in (0, 1)
            )
        )
        pids = [int((tmp_path / f"{n}.pid").read_text()) for n in (0, 1)]
        assert all(alive(pid) for pid in pids)
        # Ctrl-C goes to the whole group, as from a terminal; the others to the one who asked.
        os.killpg(script.pid, ending) if ending == signal.SIGINT else script.send_signal(ending)
        said = script.communicate(timeout=PATIENCE)[1]
    assert ("KeyboardInterrupt" in said) == (ending == signal.SIGINT)
    until(lambda: not any(alive(pid) for pid in pids))
    assert not (tmp_path / "2.pid").exists()


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_a_script_needs_no_guard(tmp_path: Path, way: str) -> None:
    script = asking(tmp_path).replace("tell_and_wait", "double").replace(f", Path({str(tmp_path)!r})", ",")
    path = tmp_path / "script.py"
    path.write_text(script, encoding="utf-8")
    command = [sys.executable, str(path) if way == "file" else "-"]
    told = subprocess.run(command, input=script, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert sorted(told.stdout.split("\n")) == ["", *(f"{n} {2 * n}" for n in range(9))]
    assert told.stderr == ""


def test_no_process_is_no_worker() -> None:
    with pytest.raises(RunError, match="give 1 or more"):
        open_workers(0)


def test_a_failure_is_told_from_a_result() -> None:
    assert Failure.of("D01_T", ValueError("no CD3")).message == "no CD3"
    assert Failure.of("D01_T", KeyError()).message == "KeyError"
