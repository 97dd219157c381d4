"""Workers: who does the jobs of a run. This process, several of this machine, or a Dask cluster.

::

    with open_workers(4) as workers:
        workers.run(gate_tube, (("D01_T", (job,)), ...), done=tell)

The results do not depend on who did them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from cytometry._workers.job import LOST, Failure, attempt
from cytometry.errors import RunError

__all__ = ["LOST", "Failure", "Workers", "open_workers"]

T = TypeVar("T")


class Workers(Protocol):
    """Whoever does jobs; a context, at whose end nobody is left behind."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def run(
        self,
        task: Callable[..., T],
        jobs: Iterable[tuple[str, tuple[Any, ...]]],
        *,
        done: Callable[[str, T | Failure], None],
    ) -> None:
        """Do every job, and return when all are done.

        Parameters
        ----------
        task
            A function of a module, so that another process can import it.
        jobs
            Name and arguments of each; taken a few at a time, when somebody is free to do them.
        done
            Called in this process with a job's name and result, in the order in which they are finished. An
            exception of the task comes as a :class:`Failure`, and so does a job whose worker ended twice in the
            middle of it; the others go on.

        Raises
        ------
        RunError
            If the task cannot be sent to another process, or no worker can start.
        """
        ...


def open_workers(jobs: int = 1, *, scheduler: str | None = None) -> Workers:
    """Return workers: this process for one, that many processes of this machine, or those of a Dask cluster.

    Parameters
    ----------
    jobs
        Processes that work side by side, each with one thread of arithmetic. They start with the first jobs.
    scheduler
        The address of a Dask scheduler, ``"tcp://host:8786"``. Its workers need this package, and must find files
        under the same paths.

    Raises
    ------
    RunError
        If ``jobs`` is below 1, or the scheduler cannot be used: the extra ``dask`` is not installed, nobody answers
        there, it has no workers, or they have another version of this package.
    """
    if scheduler is not None:
        if jobs != 1:
            msg = f"a scheduler has its own workers: give {scheduler} or {jobs} processes, not both"
            raise RunError(msg)
        from cytometry._workers.cluster import Cluster

        return Cluster(scheduler)
    if jobs < 1:
        msg = f"{jobs} processes do no work; give 1 or more"
        raise RunError(msg)
    if jobs == 1:
        return _Here()
    from cytometry._workers.processes import Processes

    return Processes(jobs)


class _Here:
    """The process that asks: one job after the other."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def run(
        self,
        task: Callable[..., T],
        jobs: Iterable[tuple[str, tuple[Any, ...]]],
        *,
        done: Callable[[str, T | Failure], None],
    ) -> None:
        for name, arguments in jobs:
            done(name, attempt(task, name, arguments))
