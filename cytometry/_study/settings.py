"""The settings of ``study.toml``: which tables and keys there are, what each may say, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails

from cytometry._study.comparison import BASELINES, BLOCKS, COVARIATES, DESIGNS, FACTORS, FILTERS, UNITS
from cytometry._study.examples import right
from cytometry._study.quality import QualityControl
from cytometry._study.text import Place, TomlText, error
from cytometry.errors import Problem
from cytometry.panel import did_you_mean
from gating.sources import STAND_INS
from gating.template import builtin_templates

TODO = "TODO"
ATTEMPTS = 4  # a table that lost a wrong key may then lack it
TODO_HINTS = MappingProxyType(
    {
        "subject": "the donor or animal, which is what n counts: one name in all its tubes",
        "arm": "the treatment, such as vehicle or temsirolimus",
        "lacks": "the marker that this control was not stained with",
        "marker": "what the antibody of this detector binds, such as CD3; blank where there is none",
        "control": "the level that the other is compared with, such as vehicle",
        "treated": "the level that is compared with control, such as temsirolimus",
    }
)
PRINT_BLANK = (
    """python -c "from gating.template import builtin_text as t; print(t('blank'))" > template.toml"""
)


def _lower_keys(table: Any) -> Any:
    return {str(key).lower(): value for key, value in table.items()} if isinstance(table, dict) else table


def _listed(value: Any) -> Any:
    """Take one value for a list of it; numbers and dates are texts in a sheet."""
    values = value if isinstance(value, list) else [value]
    return [one if isinstance(one, (str, dict, list)) else str(one) for one in values]


def _levels(value: Any) -> str | tuple[str, ...]:
    """Take a level, or a list of levels."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(one, str) and one for one in value):
        return value[0] if len(value) == 1 else tuple(value)
    msg = "a level in quotes, or a list of levels"
    raise ValueError(msg)


Text = Annotated[str, Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class General(_Table):
    """``[study]``."""

    name: Text
    seed: int = 1
    samples: Text = "samples.csv"
    fcs_dir: Text = "."
    stand_in: Literal[STAND_INS] = "batch"  # type: ignore[valid-type]
    low_count: Annotated[int, Field(ge=1)] = 20
    flag_count: Annotated[int, Field(ge=1)] = 50


class Compensation(_Table):
    """``[compensation]``, or that of one stain."""

    source: Annotated[str, Field(pattern=r"^(fcs|none|controls|file:\s*\S.*)$")] = "fcs"


class ScaleWish(_Table):
    """One line of ``[transform]``; keys as Gating-ML names them."""

    kind: Literal["logicle", "arcsinh", "linear", "log"] | None = None
    t: float | None = None
    w: float | None = None
    m: float | None = None
    a: float | None = None
    cofactor: Annotated[float, Field(gt=0)] | None = None


Scales = dict[str, Annotated[ScaleWish, BeforeValidator(_lower_keys)]]


class StainTable(_Table):
    """``[stain.<name>]``."""

    template: Text
    panel: Text = "panel.csv"
    compensation: Compensation | None = None
    transform: Scales = {}


class EndpointTable(_Table):
    """An entry of ``primary`` or ``secondary``."""

    population: Text
    statistic: Text = "fraction_of_parent"
    marker: str = ""
    stain: str = ""


class ChangeTable(_Table):
    """``change`` of a comparison: the two levels within each subject."""

    factor: Literal[FACTORS] = "timepoint"  # type: ignore[valid-type]
    before: Text
    after: Text
    baseline: Literal[BASELINES] = "subtracted"  # type: ignore[valid-type]


class ComparisonTable(_Table):
    """``[[comparison]]``."""

    name: Text
    control: Text
    treated: Annotated[Any, PlainValidator(_levels)]
    factor: Literal[FACTORS] = "arm"  # type: ignore[valid-type]
    design: Literal[DESIGNS] = "auto"  # type: ignore[valid-type]
    where: dict[Literal[FILTERS], Annotated[list[str], BeforeValidator(_listed)]] = {}  # type: ignore[valid-type]
    primary: list[EndpointTable] = []
    secondary: list[EndpointTable] = []
    change: ChangeTable | None = None
    blocks: list[Literal[BLOCKS]] | None = None  # type: ignore[valid-type]
    covariates: list[Literal[COVARIATES]] = []  # type: ignore[valid-type]
    formula: str = ""
    tested: str = ""
    unit: Literal[UNITS] = "subject"  # type: ignore[valid-type]


class Measure(_Table):
    """``[measure]``."""

    fractions_of: list[str] = ["CD45+"]
    intensities: list[str] = []


class Simulated(_Table):
    """``[simulated]``."""

    truth: Text


class Settings(_Table):
    """All of ``study.toml``."""

    study: General
    stain: Annotated[dict[str, StainTable], Field(min_length=1)]
    compensation: Compensation = Compensation()
    transform: Scales = {}
    measure: Measure = Measure()
    qc: QualityControl = QualityControl()
    simulated: Simulated | None = None
    comparison: list[ComparisonTable] = []


def read_settings(text: TomlText) -> tuple[Settings | None, list[Problem]]:
    """Return the settings, and everything that is wrong, each with its line.

    What is wrong is left out, so that the sheet and the panel can be checked all the same; ``None`` where too
    little is left.
    """
    values = dict(text.values)
    problems = _todos(text)
    for attempt in range(ATTEMPTS):
        try:
            return Settings.model_validate(values), problems
        except ValidationError as failure:
            details = failure.errors(include_url=False)
            if not attempt:
                problems += [_problem(text, detail) for detail in details]
            for detail in details:
                values = _mended(values, _place(detail), missing=detail["type"] == "missing")
    return None, problems


def _todos(text: TomlText) -> list[Problem]:
    """Return what ``init`` could not guess and nobody has filled in."""

    def walk(value: Any, place: Place) -> Iterator[Place]:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield from walk(inner, (*place, key))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                yield from walk(inner, (*place, number))
        elif is_todo(value):
            yield place

    return [
        error("CYT018", text.where(*at), f"{_words(at)} is still {TODO}", todo_hint(str(at[-1])))
        for at in walk(text.values, ())
    ]


def todo_hint(name: str) -> str:
    """Return what is to be written for a TODO of a key or column."""
    if name == "template":
        return f"one of {', '.join(builtin_templates())}, or a TOML file of your own; to start one: {PRINT_BLANK}"
    return TODO_HINTS.get(name, "")


def is_todo(value: Any) -> bool:
    """Return whether a cell or setting waits to be filled in."""
    return isinstance(value, str) and value.strip().upper().startswith(TODO)


def _mended(values: Any, place: Place, *, missing: bool) -> Any:
    """Return the values without what is wrong at a place, or with a placeholder for what is missing."""
    if not place:
        return values
    first, rest = place[0], place[1:]
    if isinstance(values, dict):
        if rest and first in values:
            return {**values, first: _mended(values[first], rest, missing=missing)}
        kept = {key: value for key, value in values.items() if key != first}
        placeholder = {"study": {"name": TODO}}.get(str(first), TODO)
        return {**kept, first: placeholder} if missing and not rest else kept
    if isinstance(values, list) and isinstance(first, int) and first < len(values):
        inner = [_mended(values[first], rest, missing=missing)] if rest else []
        return [*values[:first], *inner, *values[first + 1 :]]
    return values


def _place(detail: ErrorDetails) -> Place:
    return tuple(part for part in detail["loc"] if part != "[key]")


def _problem(text: TomlText, detail: ErrorDetails) -> Problem:
    place = _place(detail)
    where = text.where(*place)
    name = _words(place)
    given = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            hint = did_you_mean(str(place[-1]), _keys(place[:-1]))
            return error("CYT003", where, f"there is no {name}", hint)
        case "missing":
            return error("CYT004", where, f"{name} is missing", right(place))
        case "literal_error":
            choices = str(detail.get("ctx", {}).get("expected", "")).replace(" or ", ", ").split(", ")
            hint = did_you_mean(str(given), [choice.strip("'") for choice in choices])
            return error("CYT004", where, f"{name} is {given!r}", hint)
    if detail["type"] == "string_type" and isinstance(given, (int, float)):
        return error("CYT004", where, f"{name} is {given}", f'a text stands in quotes: "{given}"')
    said = f"{name} is {given!r}" if not isinstance(given, (dict, list)) else name
    return error("CYT004", where, said, right(place, detail["type"]) or _plainly(detail["msg"]))


def _plainly(said: str) -> str:
    """Return what the model asks for without its own way of speaking."""
    return said.replace("Input should be", "it should be")


def _words(place: Place) -> str:
    """Return ``'control' in [comparison 2]`` and the like."""
    if len(place) <= 1:
        return f"[{place[0]}]" if place else "the file"
    if len(place) > 2 and isinstance(place[-1], int):
        return f"entry {place[-1] + 1} of {_words(place[:-1])}"
    table = "".join(f" {part + 1}" if isinstance(part, int) else f".{part}" for part in place[:-1])
    return f"{place[-1]!r} in [{table.removeprefix('.')}]"


def _keys(place: Place) -> list[str]:
    """Return the keys that the table at a place knows."""
    found: Any = Settings
    for part in place:
        if _is_model(found):
            field = found.model_fields.get(str(part))
            found = field.annotation if field else None
        else:
            found = get_args(found)[-1] if get_args(found) else None
        while found is not None and get_origin(found) in (Annotated, Union, UnionType):
            found = next(inner for inner in get_args(found) if inner is not type(None))
    return list(found.model_fields) if _is_model(found) else []


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)
