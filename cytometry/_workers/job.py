"""Job: one call of a task, how it travels, and what becomes of it.

A job is pickled by the one who asks, and a result by the one who did it: what cannot be pickled, or not be read at the
other end, is that job's failure and no other's.
"""

from __future__ import annotations

import pickle
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cytometry.errors import RunError

T = TypeVar("T")
LOST = "WorkerLost"
Named = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A job that came to nothing.

    Parameters
    ----------
    name
        Of the job.
    message
        What went wrong, in the words of the exception.
    kind
        The class of the exception, ``"FCSError"``; ``"WorkerLost"`` if whoever did the job ended in mid-job.
    trace
        Where it went wrong, as Python prints it; ``""`` for a lost worker.
    """

    name: str
    message: str
    kind: str
    trace: str = field(default="", repr=False)

    @classmethod
    def of(cls, name: str, error: BaseException, *, what: str = "") -> Failure:
        """Return the failure that an exception means for a job; ``what`` begins its message."""
        said = "\n".join([str(error), *getattr(error, "__notes__", ())]) or type(error).__name__
        trace = "".join(traceback.format_exception(error))
        return cls(name, f"{what}: {said}" if what else said, type(error).__name__, trace)


@dataclass(frozen=True, slots=True)
class Stop:
    """What is no failure of a job, but ends all of them: ``SystemExit`` and its like."""

    error: BaseException


@dataclass(slots=True)
class Job:
    """A job on its way; ``lost`` counts the workers that ended while they did it."""

    name: str
    packed: bytes
    lost: int = 0


class Todo:
    """Jobs still to be handed out: those whose worker was lost, then the caller's, taken one by one.

    Raises
    ------
    RunError
        If the task has no address at which another process could import it.
    """

    def __init__(self, task: Callable[..., Any], jobs: Iterable[Named]) -> None:
        self._task = _address(task)
        self._jobs: Iterator[Named] = iter(jobs)
        self._again: deque[Job] = deque()

    def again(self, job: Job) -> None:
        """Take back a job whose worker ended."""
        job.lost += 1
        self._again.append(job)

    def next(self) -> Job | Failure | None:
        """Return the next job, a failure in its place if it cannot travel, ``None`` if there is none."""
        if self._again:
            return self._again.popleft()
        found = next(self._jobs, None)
        if found is None:
            return None
        name, arguments = found
        try:
            return Job(
                name, pickle.dumps((name, self._task, pickle.dumps(arguments, protocol=5)), protocol=5)
            )
        except Exception as error:
            return Failure.of(name, error, what="its arguments cannot be sent to another process")


def attempt(task: Callable[..., T], name: str, arguments: tuple[object, ...]) -> T | Failure:
    """Return what a task makes of its arguments; its exception as a :class:`Failure`.

    What is no :class:`Exception`, such as a keyboard interrupt, rises.
    """
    try:
        return task(*arguments)
    except Exception as error:
        return Failure.of(name, error)


def perform(packed: bytes) -> bytes:
    """Do a job where it has arrived, and return its result as it travels back."""
    name = "job"
    try:
        name, task, arguments = pickle.loads(packed)
        found = attempt(_unpacked, name, (task, arguments))
        return pickle.dumps(found, protocol=5)
    except Exception as error:
        return pickle.dumps(Failure.of(name, error, what="its result cannot be sent back"))
    except BaseException as error:
        return pickle.dumps(Stop(error))


def received(name: str, packed: bytes) -> Any:
    """Return a result that has arrived; what ends all jobs is raised."""
    try:
        found = pickle.loads(packed)
    except Exception as error:
        return Failure.of(name, error, what="its result cannot be read")
    if isinstance(found, Stop):
        raise found.error
    return found


def _unpacked(task: bytes, arguments: bytes) -> object:
    do: Callable[..., object] = pickle.loads(task)
    return do(*pickle.loads(arguments))


def _address(task: Callable[..., Any]) -> bytes:
    where, why = getattr(task, "__module__", None), ""
    try:
        packed = pickle.dumps(task, protocol=5)
    except Exception as error:
        where, why = "__main__", f": {error}"
    if where == "__main__":
        msg = (
            f"{task} cannot be sent to worker processes{why}; put it into a module, as a function of its own"
        )
        raise RunError(msg)
    return packed
