"""The other end of the pipe: a worker process that does one job after another until its pipe is closed.

A message is a pickle of bytes, which are themselves a pickle: one that cannot be read does not hide where the next one
begins.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from queue import SimpleQueue
from typing import BinaryIO

from cytometry._workers.job import perform

READY = b"ready"


def serve() -> None:
    """Do what comes through standard input, answer through what was standard output."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)  # what a task prints must not be taken for an answer
    except OSError:  # nobody listens to errors
        os.dup2(nothing, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the one that asks decides
    sys.path[:] = pickle.loads(pickle.load(incoming))
    waiting: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(incoming, waiting), daemon=True).start()
    send(outgoing, READY)
    while True:
        send(outgoing, perform(waiting.get()))


def send(pipe: BinaryIO, message: bytes) -> None:
    """Write one message."""
    pickle.dump(message, pipe, protocol=5)
    pipe.flush()


def _listen(incoming: BinaryIO, waiting: SimpleQueue[bytes]) -> None:
    """Pass messages on; end the process, in mid-job too, when nobody is there to hear the answer."""
    try:
        while True:
            waiting.put(pickle.load(incoming))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)
