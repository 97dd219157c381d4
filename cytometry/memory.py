"""Memory: the answers of a stain's rules, kept on disk as they are found, so that a killed run has not lost them.

A line an answer, each with a checksum of itself: a torn or foreign line is no answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from cytometry.digest import digest
from gating.recall import Answer, answer_from_dict, answer_to_dict

LETTERS = 16  # of a line's checksum


class Answers(MutableMapping[str, Answer]):
    """Answers by question, found under one version of the code; a context that holds the file open.

    Parameters
    ----------
    path
        The file, made when the first answer comes.
    code
        The digest of the code that finds the answers; those of other code are not taken.

    Attributes
    ----------
    recalled, found
        How many answers of an earlier run were taken, and how many are new.
    """

    def __init__(self, path: Path, *, code: str) -> None:
        self.recalled, self.found = 0, 0
        self._path, self._code = path, code
        self._held: dict[str, Answer] = {}
        self._earlier: frozenset[str] = frozenset()
        self._file: IO[str] | None = None

    def __enter__(self) -> Answers:
        with suppress(OSError):  # none yet, or none that can be read: then every rule is asked
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                self._take(line)
            if self._path.stat().st_size and not self._held:
                self._path.unlink()  # all of it is of other code, or spoilt
        self._earlier = frozenset(self._held)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            if self._file:
                self._file.close()
        self._file = None

    def __getitem__(self, question: str) -> Answer:
        answer = self._held[question]
        self.recalled += question in self._earlier
        return answer

    def __setitem__(self, question: str, answer: Answer) -> None:
        self._held[question] = answer
        self.found += 1
        said = {"code": self._code, "question": question, "answer": answer_to_dict(answer)}
        line = f"{digest(said)[:LETTERS]} {json.dumps(said)}\n"
        # An answer that cannot be kept costs its rule again, and no result: what cannot be written is said there.
        with suppress(OSError):
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a", encoding="utf-8")
                self._file.write("\n")  # what a killed run left may be half a line
            self._file.write(line)
            self._file.flush()

    def __delitem__(self, question: str) -> None:
        del self._held[question]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def _take(self, line: str) -> None:
        checksum, _, text = line.partition(" ")
        with suppress(ValueError, KeyError, TypeError):
            said: Any = json.loads(text)
            if digest(said)[:LETTERS] == checksum and said["code"] == self._code:
                self._held[said["question"]] = answer_from_dict(said["answer"])
