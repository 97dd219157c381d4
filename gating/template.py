"""Template: for each population of a panel, how its boundary is to be learnt. Rows of rules, no numbers of a tube."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path

from gating.errors import TemplateError
from gating.rows import SKIP, CutRow, PopulationRow, RegionRow, is_scatter, last_part, near
from gating.strategy import ALL_EVENTS
from gating.template_text import TEMPLATE_KEYS, parse_template
from gating.template_writing import write_template
from gating.tree import NameProblem, RowProblem, downwards, look_up, resolve

BLANK = "blank"


@dataclass(frozen=True, slots=True)
class GatingTemplate:
    """The populations of a panel, parents before children, and how each is found.

    Parameters
    ----------
    populations
        Rows with paths for names, each after what it depends on.
    lineage
        Paths of the populations that divide the cells among themselves: an event is in one at most.

    Raises
    ------
    TemplateError
        If a parent, reference or operand is missing or comes later, or ``lineage`` names no population.
    """

    name: str
    populations: tuple[PopulationRow, ...]
    lineage: tuple[str, ...] = ()
    version: str = ""
    title: str = ""
    species: str = ""
    tissue: str = ""
    description: str = ""
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        wrong = []
        for row in self.populations:
            wrong += [f"{row.path!r} needs {name!r} before it" for name in row.depends_on if name not in seen]
            wrong += [f"{row.path!r} occurs twice"] if row.path in seen else []
            seen.add(row.path)
        wrong += [
            f"lineage names {name!r}, which is no population" for name in self.lineage if name not in seen
        ]
        if wrong:
            raise TemplateError("; ".join(wrong))

    @classmethod
    def from_toml(cls, path: str | Path) -> GatingTemplate:
        """Read a template from a TOML file.

        Raises
        ------
        TemplateError
            With everything that is wrong, each with its line.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"the template {path} cannot be read: {error}"
            raise TemplateError(msg) from error
        return cls.from_text(text, where=str(path))

    @classmethod
    def from_text(cls, text: str, *, where: str = "the template") -> GatingTemplate:
        """Read a template from TOML text; ``where`` opens the message of an error."""
        template, problems = read_template(text)
        if template is None:
            count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise TemplateError("\n  ".join([f"{where} has {count}:", *(str(p) for p in problems)]))
        return template

    @classmethod
    def builtin(cls, name: str) -> GatingTemplate:
        """Return a template that comes with the package.

        Raises
        ------
        TemplateError
            If there is none of that name, naming those there are.
        """
        if name not in builtin_templates():
            msg = f"no built-in template is called {name!r}{near(name, builtin_templates())}"
            raise TemplateError(msg)
        return cls.from_text(builtin_text(name), where=f"the built-in template {name}")

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the path of each population, parents before children."""
        return tuple(row.path for row in self.populations)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return every dimension that a row reads, scatter included, each once."""
        return tuple(dict.fromkeys(name for row in self.populations for name in row.dimensions))

    @property
    def markers(self) -> tuple[str, ...]:
        """Return the markers that a row reads, each once; scatter and time are none."""
        return tuple(name for name in self.dimensions if not is_scatter(name))

    @property
    def sha256(self) -> str:
        """Return the hash of what the template says; comments and spacing do not change it."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()

    def find(self, name: str) -> str:
        """Return the one path that is ``name`` or ends in it.

        Raises
        ------
        TemplateError
            If none does, with near matches, or several do, with all of them.
        """
        try:
            return look_up(name, "", self.paths)
        except NameProblem as problem:
            raise TemplateError(str(problem)) from None

    def population(self, name: str) -> PopulationRow:
        """Return the row of that name, path or end of a path."""
        path = self.find(name)
        return next(row for row in self.populations if row.path == path)

    def check(self, markers: Iterable[str]) -> list[str]:
        """Say which populations a panel cannot show, and why; empty if it shows them all.

        ``markers`` are the dimensions of the panel; where they name no scatter, scatter is taken as there.
        """
        has = self._present(markers)
        said = []
        for row in self.populations:
            lacking = [name for name in row.required if name not in has]
            if lacking and not row.if_present:
                hints = "".join(near(name, has, cutoff=0.75) for name in lacking[:1])
                said.append(f"{row.name!r} needs {' and '.join(lacking)}{hints}")
        return said

    def prune(self, markers: Iterable[str]) -> tuple[GatingTemplate, dict[str, str]]:
        """Return the template without what a panel cannot show, and the paths lost, each with its reason.

        A population goes with all below it and all that refers to it. A row marked ``if_present`` goes alone:
        what is below it moves up to its parent. A cut marked so only leaves its row.
        """
        pruning = _Pruning(self._present(markers))
        kept = tuple(row for row in map(pruning.keep, self.populations) if row)
        if not kept:
            msg = f"nothing of the template {self.name} is left: {next(iter(pruning.lost.values()))}"
            raise TemplateError(msg)
        there = {row.path for row in kept}
        lineage = tuple(path for path in map(pruning.path, self.lineage) if path in there)
        return replace(self, populations=kept, lineage=lineage), pruning.lost

    def to_toml(self) -> str:
        """Return the text of the template: every parent a path, every default left out."""
        head = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name in TEMPLATE_KEYS
        }
        return write_template(head, self.populations)

    def __str__(self) -> str:
        lines = [f"{self.title or self.name}", ALL_EVENTS]
        for path in downwards(self.paths):
            row = next(r for r in self.populations if r.path == path)
            lines.append(f"{'  ' * (path.count('/') + 1)}{row.name}  [{row}]")
        return "\n".join(lines)

    def _present(self, markers: Iterable[str]) -> set[str]:
        has = set(markers)
        scatter = () if any(map(is_scatter, has)) else filter(is_scatter, self.dimensions)
        return has | set(scatter)


def read_template(text: str) -> tuple[GatingTemplate | None, list[RowProblem]]:
    """Return the template that a text describes, or ``None`` and everything that is wrong with the text."""
    draft = parse_template(text)
    populations, problems = resolve(draft.rows)
    problems = [*draft.problems, *problems]
    paths = [row.path for row in populations]
    lineage = []
    for name in draft.head.get("lineage", ()):
        try:
            lineage.append(look_up(name, "", paths))
        except NameProblem as problem:
            problems.append(RowProblem(0, "lineage", str(problem)))
    if problems:
        return None, sorted(problems, key=lambda problem: problem.line)
    head = {**draft.head, "lineage": tuple(lineage)}
    return GatingTemplate(populations=populations, **head), []


def builtin_templates() -> tuple[str, ...]:
    """Return the names of the templates that come with the package."""
    found = files("gating").joinpath("templates").iterdir()
    names = (Path(item.name) for item in found)
    return tuple(sorted(name.stem for name in names if name.suffix == ".toml" and name.stem != BLANK))


def builtin_text(name: str) -> str:
    """Return a built-in template as it is written, comments and all; ``blank`` explains the format."""
    return files("gating").joinpath("templates", f"{name}.toml").read_text(encoding="utf-8")


class _Pruning:
    """Keeps rows one by one, parents first, and remembers what was lost and what moved up."""

    def __init__(self, has: set[str]) -> None:
        self.has = has
        self.lost: dict[str, str] = {}
        self.moved: dict[str, str] = {}

    def path(self, path: str) -> str:
        return self.moved.get(path, path)

    def keep(self, row: PopulationRow) -> PopulationRow | None:
        """Return the row as it is in this panel, or ``None``."""
        lacking = [name for name in row.required if name not in self.has]
        cuts = tuple(cut for cut in row.cuts if cut.marker in self.has)
        # A parent that may be left out is stood for by its own; what is combined is that population or nothing.
        gone = [row.parent] if row.parent in self.lost and self.path(row.parent) == row.parent else []
        gone += [name for name in (row.boolean.operands if row.boolean else ()) if name in self.lost]
        if gone:
            return self._lose(row, f"{last_part(gone[0])} is lost")
        if lacking or (row.cuts and not cuts):
            if row.if_present:
                self.moved[row.path] = self.path(row.parent)
            return self._lose(row, f"the panel lacks {' and '.join(lacking or row.dimensions)}")
        kept = [self._cut(cut) for cut in cuts]
        absent = [cut.marker for cut, there in zip(cuts, kept, strict=True) if there is None]
        if absent:
            return self._lose(row, f"what its cut on {absent[0]} refers to is lost")
        region = row.region and self._region(row.region)
        if row.region and region is None:
            return self._lose(row, f"what its region on {row.region.x} x {row.region.y} refers to is lost")
        boolean = row.boolean and row.boolean.renamed(self.path)
        kept_cuts = tuple(cut for cut in kept if cut)
        found = replace(row, parent=self.path(row.parent), cuts=kept_cuts, region=region, boolean=boolean)
        if found.path != row.path:
            self.moved[row.path] = found.path
        return found

    def _cut(self, cut: CutRow) -> CutRow | None:
        """Return the cut with moved names, or the first alternative whose populations are there."""
        further = self._cut(cut.otherwise) if isinstance(cut.otherwise, CutRow) else None
        if cut.same_as in self.lost or self._gone(cut.reference) or self._gone(cut.shift_by):
            return further and replace(further, if_present=cut.if_present)
        otherwise = (further or SKIP) if isinstance(cut.otherwise, CutRow) else cut.otherwise
        same_as, shift_by = self.path(cut.same_as), self._shown(cut.shift_by)
        return replace(
            cut, reference=self._shown(cut.reference), same_as=same_as, shift_by=shift_by, otherwise=otherwise
        )

    def _region(self, region: RegionRow) -> RegionRow | None:
        """Return the region with moved names, or the first alternative that the panel can show."""
        further = self._region(region.otherwise) if isinstance(region.otherwise, RegionRow) else None
        if self._gone(region.reference) or not self.has.issuperset(region.dimensions):
            return further
        otherwise = (further or SKIP) if isinstance(region.otherwise, RegionRow) else region.otherwise
        return replace(region, reference=self._shown(region.reference), otherwise=otherwise)

    def _gone(self, path: str) -> bool:
        return path in self.lost and path not in self.moved

    def _shown(self, path: str) -> str:
        """Return a population's path, or all events if nothing else is left above it."""
        return self.path(path) or (ALL_EVENTS if path else "")

    def _lose(self, row: PopulationRow, why: str) -> PopulationRow | None:
        self.lost[row.path] = why
        return None


def template_problems(path: str | Path) -> list[RowProblem]:
    """Return everything wrong with a template file, each with its line, and nothing for a good one."""
    return read_template(Path(path).read_text(encoding="utf-8"))[1]


__all__ = [
    "GatingTemplate",
    "RowProblem",
    "builtin_templates",
    "builtin_text",
    "read_template",
    "template_problems",
]
