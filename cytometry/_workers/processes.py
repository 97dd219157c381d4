"""Long-lived worker processes on this machine.

Each is a fresh interpreter that talks through its standard input and output. ``multiprocessing`` would import the
caller's script again, which a script without a ``__main__`` guard, a notebook and ``python -`` do not survive.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from cytometry._workers.job import LOST, Failure, Job, Todo, received
from cytometry._workers.serve import READY, send
from cytometry.errors import RunError

T = TypeVar("T")
START = "from cytometry._workers.serve import serve; serve()"
# Several workers that each use all cores would only be in each other's way.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)
ATTEMPTS = 2  # of a job whose worker ended: once by bad luck, twice by its own fault
PATIENCE = 5.0  # seconds in which a worker without work has to end
LOOK = 0.5  # seconds; a wait without end cannot be interrupted everywhere


class _Worker:
    """One worker process, and the thread that listens to it."""

    def __init__(self, heard: SimpleQueue[tuple[_Worker, bytes | None]]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
        )
        self.job: Job | None = None
        self.ready = False
        self._listener = threading.Thread(target=self._listen, args=(heard,), daemon=True)
        self._listener.start()
        self._send(pickle.dumps(sys.path))

    def give(self, job: Job) -> None:
        self.job = job
        self._send(job.packed)

    def take(self, message: bytes) -> tuple[str, Any] | None:
        """Return the job's name and result."""
        job, self.job = self.job, None
        return None if job is None else (job.name, received(job.name, message))

    def end(self, *, at_once: bool) -> int:
        """End the process, and return its exit code."""
        if at_once:
            self.process.kill()
        _close(self.process.stdin)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._listener.join()
        _close(self.process.stdout)
        return code

    def _send(self, message: bytes) -> None:
        with suppress(OSError):  # it has ended, as the listener will say
            send(self.process.stdin, message)  # type: ignore[arg-type]

    def _listen(self, heard: SimpleQueue[tuple[_Worker, bytes | None]]) -> None:
        try:
            while True:
                heard.put((self, pickle.load(self.process.stdout)))  # type: ignore[arg-type]
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            heard.put((self, None))


class Processes:
    """Up to ``most`` worker processes, started when there is work for them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._workers: list[_Worker] = []
        self._heard: SimpleQueue[tuple[_Worker, bytes | None]] = SimpleQueue()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(at_once=error is not None)

    def run(
        self,
        task: Callable[..., T],
        jobs: Iterable[tuple[str, tuple[Any, ...]]],
        *,
        done: Callable[[str, T | Failure], None],
    ) -> None:
        """See :class:`cytometry.workers.Workers`."""
        todo = Todo(task, jobs)
        try:
            self._hand_out(todo, done)
            while any(worker.job for worker in self._workers):
                worker, message = self._hear()
                if message == READY:
                    worker.ready = True
                    continue
                found = self._lost(worker, todo) if message is None else worker.take(message)
                self._hand_out(todo, done)  # first, so that nobody waits while the result is taken in
                if found is not None:
                    done(*found)
        except BaseException:
            self._end(at_once=True)
            raise

    def _hand_out(self, todo: Todo, done: Callable[[str, Any], None]) -> None:
        """Give each idle worker a job; start workers while there are jobs and room."""
        while True:
            idle = next((worker for worker in self._workers if worker.job is None), None)
            if idle is None and len(self._workers) >= self._most:
                return
            job = todo.next()
            if job is None:
                return
            if isinstance(job, Failure):
                done(job.name, job)
                continue
            if idle is None:
                idle = _Worker(self._heard)
                self._workers.append(idle)
            idle.give(job)

    def _hear(self) -> tuple[_Worker, bytes | None]:
        while True:
            try:
                return self._heard.get(timeout=LOOK)
            except Empty:
                continue

    def _lost(self, worker: _Worker, todo: Todo) -> tuple[str, Failure] | None:
        """Let go of a worker that ended; its job is done again, or has failed."""
        self._workers.remove(worker)
        code = worker.end(at_once=False)
        if not worker.ready:
            msg = f"a worker process could not start ({_how(code)}); run with one process to see why"
            raise RunError(msg)
        job = worker.job
        if job is None:
            return None
        if job.lost + 1 < ATTEMPTS:
            todo.again(job)
            return None
        said = (
            f"the worker process that did it ended twice ({_how(code)}), the second time in a fresh one; "
            "run it with fewer processes, or by itself"
        )
        return job.name, Failure(job.name, said, LOST)

    def _end(self, *, at_once: bool) -> None:
        """End every worker; nobody is left behind, and nothing they said is taken for an answer later."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.end(at_once=at_once)
        self._heard = SimpleQueue()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    memory = ", as when memory runs out" if name == "SIGKILL" else ""
    return f"{name}{memory}"


def _close(pipe: Any) -> None:
    with suppress(OSError):  # nobody reads it any more
        pipe.close()
