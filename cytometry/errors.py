"""What can go wrong, said so that the first line is the answer.

::

    CytometryError
    ├── FCSError        a file that cannot be read or written as FCS
    ├── StudyError      study, sheet, panel or template do not fit together; carries every problem
    ├── RunError        a result folder that cannot be written, opened or is in use
    └── CompareError    a comparison that the data cannot answer
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal


class CytometryError(Exception):
    """Root of everything this package raises on purpose."""


class FCSError(CytometryError):
    """A file that cannot be read or written as FCS: which file, what is wrong, what would be right."""

    def __init__(self, path: str | Path, message: str, *, hint: str = "") -> None:
        self.path = Path(path)
        self.message = message
        self.hint = hint
        super().__init__(f"{self.path.name}: {message}" + (f"\n  {hint}" if hint else ""))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a user should mend (error) or know (warning)."""

    severity: Literal["error", "warning"]
    code: str
    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        line = f"{self.severity}[{self.code}] {self.where}: {self.message}"
        return f"{line}\n  {self.hint}" if self.hint else line

    def to_dict(self) -> dict[str, str]:
        """Return the fields as plain text, for JSON."""
        return asdict(self)


class StudyError(CytometryError):
    """A study that cannot be run; ``problems`` holds all of them, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RunError(CytometryError):
    """A result folder that cannot be written, opened, or is in use by another run."""


class CompareError(CytometryError):
    """A comparison that these data cannot answer, with the reason."""
