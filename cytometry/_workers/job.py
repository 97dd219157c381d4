"""Job: one call of a task, and what becomes of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
LOST = "WorkerLost"


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
    def of(cls, name: str, error: BaseException) -> Failure:
        """Return the failure that an exception means for a job."""
        notes = [str(error), *getattr(error, "__notes__", ())]
        trace = "".join(traceback.format_exception(error))
        return cls(name, "\n".join(notes) or type(error).__name__, type(error).__name__, trace)


@dataclass(frozen=True, slots=True)
class Stop(Generic[T]):
    """What is no failure of a job, but ends all of them: ``SystemExit`` and its like."""

    error: BaseException


def attempt(task: Callable[..., T], name: str, arguments: tuple[object, ...]) -> T | Failure:
    """Return what a task makes of its arguments; its exception as a :class:`Failure`.

    What is no :class:`Exception`, such as a keyboard interrupt, rises.
    """
    try:
        return task(*arguments)
    except Exception as error:
        return Failure.of(name, error)
