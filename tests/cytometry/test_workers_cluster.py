"""Workers of a real Dask cluster on this machine: a scheduler, and worker processes that can be killed."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cytometry._workers.cluster import MOST
from cytometry.errors import RunError
from cytometry.workers import LOST, open_workers

HERE = Path(__file__).parent
PATIENCE = 20.0
EIGHT = [(number,) for number in range(8)]
DOUBLES = {str(number): 2 * number for number in range(8)}


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(HERE)
    return importlib.import_module("worker_tasks")


@pytest.fixture
def cluster(tasks: ModuleType) -> Iterator[Any]:
    distributed = pytest.importorskip("distributed", reason="needs the extra: pip install 'cytometry[dask]'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        yield local


def results(task: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], scheduler: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with open_workers(scheduler=scheduler) as workers:
        workers.run(task, ((str(n), one) for n, one in enumerate(arguments)), done=found.__setitem__)
    return found


def test_a_cluster_gives_what_this_process_gives(cluster: Any, tasks: ModuleType) -> None:
    assert results(tasks.double, EIGHT, cluster.scheduler_address) == DOUBLES
    found = results(tasks.double_unless_three, EIGHT, cluster.scheduler_address)
    failure = found.pop("3")
    assert (failure.name, failure.message, failure.kind) == ("3", "three cannot be gated", "ValueError")
    assert found == {name: value for name, value in DOUBLES.items() if name != "3"}
    assert os.getpid() not in {
        pid for pid, _ in results(tasks.who, [()] * 8, cluster.scheduler_address).values()
    }


def test_a_worker_of_the_cluster_killed_in_mid_run_loses_nothing(
    cluster: Any, tasks: ModuleType, tmp_path: Path
) -> None:
    def kill() -> None:
        told, end = tmp_path / "pid", time.monotonic() + PATIENCE
        while not told.exists() and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(int(told.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = results(
        tasks.double_if_spared, [(number, tmp_path) for number in range(8)], cluster.scheduler_address
    )
    killer.join()
    assert found == DOUBLES


@pytest.mark.slow
def test_a_job_that_kills_every_worker_has_failed_and_the_others_go_on(
    cluster: Any, tasks: ModuleType
) -> None:
    found = results(tasks.die_of_three, EIGHT, cluster.scheduler_address)
    failure = found.pop("3")
    assert failure.kind == LOST
    assert "ended, again and again" in failure.message
    assert found == {name: value for name, value in DOUBLES.items() if name != "3"}


def test_a_thousand_jobs_are_not_on_their_way_at_once(cluster: Any, tasks: ModuleType) -> None:
    taken, finished, ahead = 0, 0, 0

    def many() -> Iterator[tuple[str, tuple[int]]]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield str(number), (number,)

    def done(name: str, result: Any) -> None:
        nonlocal finished, ahead
        finished += 1
        ahead = max(ahead, taken - finished)

    with open_workers(scheduler=cluster.scheduler_address) as workers:
        workers.run(tasks.double, many(), done=done)
    assert finished == 1000
    assert ahead <= (2 * 3 + 1) * MOST  # three batches for each worker, and the one that has come back


def test_workers_with_another_version_are_refused(cluster: Any, tasks: ModuleType, tmp_path: Path) -> None:
    installed = tmp_path / "cytometry-0.0.1.dist-info" / "METADATA"
    installed.parent.mkdir()
    installed.write_text("Metadata-Version: 2.1\nName: cytometry\nVersion: 0.0.1\n", encoding="utf-8")
    with cluster.get_client() as client:
        client.run(tasks.look_first_in, tmp_path)
    with pytest.raises(RunError, match=r"has cytometry 0\.0\.1, here it is"):
        open_workers(scheduler=cluster.scheduler_address)


@pytest.mark.slow
def test_a_scheduler_lost_in_mid_run_is_said(cluster: Any, tasks: ModuleType) -> None:
    closer = threading.Timer(1.0, cluster.close)
    closer.start()
    with pytest.raises(RunError, match="was lost in mid-run; run again"):
        results(tasks.slowly_double, [(n, 0.5) for n in range(40)], cluster.scheduler_address)
    closer.join()


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_an_error_in_seconds() -> None:
    pytest.importorskip("distributed", reason="needs the extra: pip install 'cytometry[dask]'")
    begun = time.monotonic()
    with pytest.raises(RunError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        open_workers(scheduler="tcp://127.0.0.1:9")
    assert time.monotonic() - begun < 8


def test_an_address_that_is_none_is_an_error() -> None:
    pytest.importorskip("distributed", reason="needs the extra: pip install 'cytometry[dask]'")
    with pytest.raises(RunError, match="no Dask scheduler answers at 'my-cluster'"):
        open_workers(scheduler="my-cluster")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RunError, match=r"pip install 'cytometry\[dask\]'"):
        open_workers(scheduler="tcp://127.0.0.1:8786")


def test_a_scheduler_and_processes_of_this_machine_exclude_each_other() -> None:
    with pytest.raises(RunError, match="not both"):
        open_workers(4, scheduler="tcp://127.0.0.1:8786")
