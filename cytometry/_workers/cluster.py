"""The workers of a Dask cluster.

Rocklin M. Dask: parallel computation with blocked algorithms and task scheduling. Proc. 14th Python in Science
Conf. 2015;126-132.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from cytometry._workers.job import LOST, Failure, Job, Todo, perform, received
from cytometry.errors import RunError

T = TypeVar("T")
CONNECT = 5.0  # seconds in which a scheduler has to answer
ARRIVE = 30.0  # seconds in which its first worker has to be there
LOOK = 2.0  # seconds between looks at who is there
AHEAD = 2  # batches waiting behind each that is done, so that no worker waits for the network
TOGETHER, MOST = 0.25, 32  # seconds that a batch of jobs takes, and the most jobs in one
SAME = ("cytometry", "numpy", "python")  # versions on which results, or the way there, depend


class Cluster:
    """The workers of the Dask scheduler at an address; they may come and go."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = _connected(address)
        try:
            self._wait_for_workers()
            _check_versions(self._client.get_versions(packages=["cytometry"]))
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def run(
        self,
        task: Callable[..., T],
        jobs: Iterable[tuple[str, tuple[Any, ...]]],
        *,
        done: Callable[[str, T | Failure], None],
    ) -> None:
        """See :class:`cytometry.workers.Workers`."""
        together = _Run(self._client, Todo(task, jobs).next, done)
        together.go()
        for (
            job
        ) in together.suspects:  # all that were there when a worker ended; by itself, the guilty one shows
            alone = _Run(self._client, partial(next, iter([job]), None), done)
            alone.go()
            if alone.suspects:
                said = "the workers that did it ended, again and again; give them more memory, or run it by itself"
                done(job.name, Failure(job.name, said, LOST))

    def _wait_for_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=ARRIVE)
        except TimeoutError as error:
            msg = (
                f"the Dask scheduler {self._address} has no workers; start some: dask worker {self._address}"
            )
            raise RunError(msg) from error


class _Run:
    """Jobs on their way to the workers and back, some of them together, so that the way costs less than the work.

    ``suspects`` are those whose workers ended time and again; another job beside them may be to blame.
    """

    def __init__(
        self, client: Any, take: Callable[[], Job | Failure | None], done: Callable[[str, Any], None]
    ) -> None:
        self.suspects: list[Job] = []
        self._client, self._take, self._done = client, take, done
        self._batches: dict[Any, list[Job]] = {}  # a future that is let go of is given up
        self._threads, self._ask_again = 0, 0.0
        self._seconds, self._finished = 0.0, 0

    def go(self) -> None:
        """Hand out every job, and take in every result."""
        from distributed import as_completed

        coming = as_completed(loop=self._client.loop, with_results=True, raise_errors=False)
        try:
            coming.update(self._hand_out())
            for future, result in coming:
                found = self._found(self._batches.pop(future), future.status, result)
                coming.update(self._hand_out())  # first, so that nobody waits while results are taken in
                for name, one in found:
                    self._done(name, one)
        finally:
            if self._batches:
                self._client.cancel(list(self._batches), force=True)

    def _hand_out(self) -> list[Any]:
        """Submit as many batches as keep all workers busy, however many there are by now."""
        futures = []
        while len(self._batches) < (1 + AHEAD) * self._workers():
            batch = self._batch()
            if not batch:
                break
            key = f"cytometry-{uuid.uuid4().hex}"  # its own: a job asked for again is done again
            future = self._client.submit(perform_all, [job.packed for job in batch], key=key, pure=False)
            self._batches[future] = batch
            futures.append(future)
        return futures

    def _batch(self) -> list[Job]:
        """Return as many jobs as take a quarter of a second, going by those that are done."""
        each = self._seconds / self._finished if self._finished else TOGETHER
        most = min(MOST, max(1, round(TOGETHER / max(each, 1e-9))))
        batch: list[Job] = []
        while len(batch) < most:
            job = self._take()
            if job is None:
                break
            if isinstance(job, Failure):
                self._done(job.name, job)
            else:
                batch.append(job)
        return batch

    def _found(self, batch: list[Job], status: str, result: Any) -> list[tuple[str, Any]]:
        """Return the name and result of each job that has come back."""
        from distributed.scheduler import KilledWorker

        if status == "finished":
            seconds, answers = result
            self._seconds += seconds
            self._finished += len(batch)
            return [(job.name, received(job.name, one)) for job, one in zip(batch, answers, strict=True)]
        error = result[1] if isinstance(result, tuple) else result
        if isinstance(error, KilledWorker):
            self.suspects += batch
            return []
        if status in {"cancelled", "lost"} or self._client.status != "running":
            msg = "the Dask scheduler was lost in mid-run; run again, what is done is kept"
            raise RunError(msg) from error
        return [(job.name, Failure.of(job.name, error)) for job in batch]

    def _workers(self) -> int:
        """Return how many threads the workers have between them; asked now and then, since it is a journey."""
        now = time.monotonic()
        if now >= self._ask_again:
            self._threads = max(1, sum(self._client.nthreads().values()))
            self._ask_again = now + LOOK
        return self._threads


def perform_all(packed: list[bytes]) -> tuple[float, list[bytes]]:
    """Do some jobs one after the other, and return the seconds it took and their results as they travel."""
    begin = time.perf_counter()
    answers = [perform(one) for one in packed]
    return time.perf_counter() - begin, answers


def _connected(address: str) -> Any:
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError as error:
        msg = "a Dask cluster needs the package distributed: pip install 'cytometry[dask]'"
        raise RunError(msg) from error
    try:
        get_address_host_port(address)  # a client that fails on such an address cannot be closed any more
        return Client(address, timeout=CONNECT, set_as_default=False, name="cytometry")
    except Exception as error:  # of another kind where something answers that is no scheduler
        msg = (
            f"no Dask scheduler answers at {address!r} ({error}); its address is printed where it was started"
        )
        raise RunError(msg) from error


def _check_versions(said: Mapping[str, Any]) -> None:
    """See that all workers have what is here.

    Raises
    ------
    RunError
        If a worker has another version of this package or of what its results depend on.
    """
    here = _versions(said["client"])
    unlike = [
        f"{address} has {name} {there[name] or 'not'}, here it is {here[name]}"
        for address, about in said["workers"].items()
        for there in (_versions(about),)
        for name in SAME
        if there[name] != here[name]
    ]
    if unlike:
        more = f" and {len(unlike) - 3} more" if len(unlike) > 3 else ""
        msg = f"the workers are not what is here, install the same: {'; '.join(unlike[:3])}{more}"
        raise RunError(msg)


def _versions(about: Mapping[str, Any]) -> dict[str, str | None]:
    packages = about["packages"]
    python = ".".join(str(packages["python"]).split(".")[:2])
    return {"cytometry": packages.get("cytometry"), "numpy": packages.get("numpy"), "python": python}
