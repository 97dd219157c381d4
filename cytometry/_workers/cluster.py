"""The workers of a Dask cluster.

Rocklin M. Dask: parallel computation with blocked algorithms and task scheduling. Proc. 14th Python in Science
Conf. 2015;126-132.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

from cytometry._workers.job import LOST, Failure, attempt
from cytometry.errors import RunError

T = TypeVar("T")
CONNECT = 5.0  # seconds in which a scheduler has to answer
ARRIVE = 30.0  # seconds in which its first worker has to be there
LOOK = 2.0  # seconds between looks at who is there
AHEAD = 2  # jobs waiting behind each that is done, so that no worker waits for the network
SAME = ("cytometry", "numpy", "python")  # versions on which results, or the way there, depend


class Cluster:
    """The workers of the Dask scheduler at an address; they may come and go."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = _connected(address)
        self._known, self._ask_again = 0, 0.0
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
        from distributed import as_completed

        todo = iter(jobs)
        names: dict[Any, str] = {}  # of the jobs on their way; a future that is let go of is given up
        finished = as_completed(loop=self._client.loop, with_results=True, raise_errors=False)
        try:
            finished.update(self._submit(task, todo, names))
            for future, result in finished:
                name = names.pop(future)
                finished.update(self._submit(task, todo, names))  # before the result is taken in
                done(name, self._meaning(name, future.status, result))
        finally:
            if names:
                self._client.cancel(list(names), force=True)

    def _submit(
        self, task: Callable[..., Any], todo: Iterator[tuple[str, tuple[Any, ...]]], names: dict[Any, str]
    ) -> list[Any]:
        """Submit as many jobs as keep all workers busy, however many there are by now."""
        room = (1 + AHEAD) * max(1, self._threads()) - len(names)
        futures = []
        for name, arguments in islice(todo, max(0, room)):
            key = f"cytometry-{uuid.uuid4().hex}"  # its own: a job asked for again is done again
            future = self._client.submit(attempt, task, name, arguments, key=key, pure=False)
            names[future] = name
            futures.append(future)
        return futures

    def _meaning(self, name: str, status: str, result: Any) -> Any:
        """Return a job's result; what went wrong on the way as a failure."""
        from distributed.scheduler import KilledWorker

        if status == "finished":
            return result
        error = result[1] if isinstance(result, tuple) else result
        if isinstance(error, KilledWorker):
            said = f"{error.allowed_failures + 1} workers ended while they did it, the last {error.last_worker.address}"
            return Failure(name, f"{said}; give the workers more memory, or run it by itself", LOST)
        if status in {"cancelled", "lost"} or self._client.status != "running":
            msg = f"the Dask scheduler {self._address} was lost in mid-run; run again, what is done is kept"
            raise RunError(msg) from error
        return Failure.of(name, error)

    def _threads(self) -> int:
        """Return how many threads the workers have between them; asked for now and then, since it is a journey."""
        now = time.monotonic()
        if now >= self._ask_again:
            self._known = sum(self._client.nthreads().values())
            self._ask_again = now + LOOK
        return self._known

    def _wait_for_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=ARRIVE)
        except TimeoutError as error:
            msg = (
                f"the Dask scheduler {self._address} has no workers; start some: dask worker {self._address}"
            )
            raise RunError(msg) from error


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
