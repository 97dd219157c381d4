"""The methods paragraph: what was done, in words that can be pasted into a paper."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cytometry.measure import FEWEST_POSITIVE
from cytometry.report.blocks import records
from cytometry.report.contrasts import contrasts_of, not_tested
from cytometry.report.designs import asked, question, unit_of
from cytometry.report.quality import n_removed, quality_methods
from cytometry.report.resting import measured_gates
from cytometry.report.words import MINUS, counted, first_upper, listed, measure_of, minus
from cytometry.table import MEDIAN_INTENSITY, NET_FRACTION_OF_PARENT
from gating.sources import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from cytometry.store import Run

SCALE_PAPERS = {
    "logicle": "Parks DR, Roederer M, Moore WA. Cytometry A 2006;69:541-551",
    "hyperlog": "Bagwell CB. Cytometry A 2005;64:34-42",
}
STATUSES = {
    "stand-in": "borrowed from another subject's tubes or another rule",
    "pooled": "pooled over all tubes of the stain",
    "cohort": "the median of other tubes",
    "fixed": "fixed by the template",
    "abstained": "not found",
}
NAMED_VERSIONS = tuple("python cytometry flowkit flowio numpy scipy pandas anndata matplotlib".split())
ADJUSTMENTS = (
    "Adjusted p: Holm S. Scand J Stat 1979;6:65-70; Benjamini Y, Hochberg Y. J R Stat Soc B 1995;57:289-300."
)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One heading and what stands under it."""

    heading: str
    text: str


def methods(run: Run) -> list[Paragraph]:
    """Return the methods of a run, paragraph by paragraph."""
    found = [
        Paragraph("Data", _data(run)),
        Paragraph("Quality control", quality_methods(run)),
        Paragraph("Compensation and transformation", _scales(run)),
        Paragraph("Gating", _gating(run)),
        Paragraph("Measures", _measures(run)),
        Paragraph("Statistics", _statistics(run)),
        Paragraph("Software", _software(run)),
    ]
    return [paragraph for paragraph in found if paragraph.text]


def as_markdown(run: Run, paragraphs: Iterable[Paragraph]) -> str:
    """Return the paragraphs as a Markdown file that says where it comes from."""
    lines = [f"# Methods: {_plain(run.info['study'])}", ""]
    for paragraph in paragraphs:
        lines += [f"**{paragraph.heading}.** {_plain(paragraph.text)}", ""]
    return "\n".join(lines)


def _data(run: Run) -> str:
    about = run.info["tubes"]
    gated = [tube for tube in about.values() if tube["status"] == "gated"]
    events = sum(int(tube["n_events"]) for tube in gated)
    gone = n_removed(run)
    kept = f", of which {events - gone:,} were gated after quality control" if gone else ""
    known = {tube["labels"].get("subject", "") for tube in about.values() if tube["kind"] == "sample"} - {""}
    subjects = f" of {counted(len(known), 'subject')}" if known else ""
    stains = listed(run.stains)
    controls = sum(tube["kind"] != "sample" for tube in about.values())
    repaired = sum(bool(tube.get("repairs")) for tube in about.values())
    parts = [
        f"{counted(len(about), 'FCS file')} ({counted(len(run.stains), 'stain')}: {stains}){subjects}"
        f"{f', {controls} of them control tubes,' if controls else ''} were read; "
        f"{len(gated)} were gated, with {events:,} events{kept}.",
        "Intensities are linear values after $PnE, $PnG and $TIMESTEP were applied.",
        f"{first_upper(counted(repaired, 'file'))} needed repairs of byte offsets, listed with the files."
        if repaired
        else "",
        f"These data are simulated (seed {run.info['simulated'].get('seed', 'unknown')})."
        if run.info.get("simulated")
        else "",
    ]
    return " ".join(part for part in parts if part)


def _scales(run: Run) -> str:
    by_text: dict[str, list[str]] = {}
    families: dict[str, int] = {}
    for stain, about in run.info["stains"].items():
        by_text.setdefault(compensated(str(about.get("compensation", ""))), []).append(stain)
        for scale in about.get("scales", {}).values():
            kind = str(scale["scale"]).split("(")[0]
            families[kind] = families.get(kind, 0) + 1
    said = [f"{listed(stains)}: {text}" for text, stains in by_text.items()]
    kinds = [f"{kind} ({counted(many, 'channel')})" for kind, many in families.items()]
    papers = [SCALE_PAPERS[kind] for kind in families if kind in SCALE_PAPERS]
    text = f"Compensation, by stain: {'; '.join(said)}."
    if kinds:
        text += (
            f" Gates were drawn on these scales: {listed(kinds)}; their parameters are in the report's table "
            "of channels."
        )
    return text + (f" Reference: {'; '.join(papers)}." if papers else "")


def compensated(source: str) -> str:
    """Return in words what a stain's ``compensation`` asked for."""
    kind, _, rest = source.partition(":")
    if kind == "file":
        return f"every tube was compensated with the matrix in {rest.strip()}"
    known = {
        "fcs": "each tube was compensated with the spillover that its file holds ($SPILLOVER)",
        "controls": "each batch was compensated with a spillover learnt from its own single-stain controls "
        "(tables/spillovers.csv)",
        "none": "the tubes were not compensated",
        "": "the tubes were not compensated",
    }
    return known.get(source, source.rstrip("."))


def _gating(run: Run) -> str:
    parts = ["Gates were learnt from templates, rows of rules."]
    for stain, about in run.info["stains"].items():
        lost = about.get("lost") or []
        names = [str(one).partition(": ")[0].rsplit("/", 1)[-1] for one in lost]
        left_out = (
            f"; left out, since the panel cannot show them: {listed(names, at_most=None)}" if lost else ""
        )
        parts.append(
            f"Stain {stain}: template {about['template_name']} "
            f"(sha256 {str(about['template_sha256'])[:12]}){left_out}."
        )
    gates = run.gates
    if len(gates):
        parts.append(_how_learnt(run))
    parts.append(
        "Where a rule found no boundary it abstained, and the population has no value in that tube. "
        f"{_assigned(run)}; only learning and drawing used samples of the events."
    )
    return " ".join(parts)


def _assigned(run: Run) -> str:
    """Say which events are all events: those that quality control kept."""
    if not n_removed(run):
        return "Every event was assigned"
    return (
        'Every event that quality control kept was assigned, and "all events" stands for these; the removed ones are '
        "in no population and in no base"
    )


def _how_learnt(run: Run) -> str:
    gates = run.gates
    measured = measured_gates(run)
    boolean = gates["rule"] == "boolean"
    combined = gates[boolean]["population"].nunique()
    gates = gates[~boolean]
    known = gates[gates["status"] != "abstained"]
    ways = Counter((str(row["rule"]), str(row["source"])) for row in records(known))
    said = [f"{rule} ({_source(source)}; {many:,})" for (rule, source), many in ways.most_common()]
    measured = measured[measured["rule"] != "boolean"]
    where = f" ({len(measured):,} of them in tubes whose values are reported, the others in control tubes)"
    where *= len(measured) < len(gates)
    statuses = gates["status"].value_counts(sort=False)
    tally = ", ".join(
        f"{int(many):,} {STATUSES.get(str(status), status)}" for status, many in statuses.items()
    )
    return (
        f"Boundaries were learnt by these rules, with the source of the events and the number of boundaries: "
        f"{listed(said, at_most=None)}. Of {len(gates):,} boundaries{where}: {tally}."
        + f" Combinations of others, without a boundary of their own: {counted(combined, 'population')}."
        * bool(combined)
    )


def _source(source: str) -> str:
    return "the tube's own events" if source in {"", "own"} else KINDS.get(source, source)


def _measures(run: Run) -> str:
    low, flagged = run.info.get("low_count"), run.info.get("flag_count")
    parts = ["Fractions are given with their base."]
    if (run.table["statistic"] == MEDIAN_INTENSITY).any():
        parts.append("Median intensities are those of the compensated linear scale.")
    if (run.table["statistic"] == NET_FRACTION_OF_PARENT).any():
        parts.append(
            "Net fractions are those of the stimulated tube minus those of the unstimulated tube of the same "
            "specimen; negative values were kept."
        )
    if low is not None:
        parts.append(
            f"No value was given for fewer than {low} events (of the base for a fraction, of the population "
            f"for a median); below {flagged} it is flagged, as is a fraction of "
            f"fewer than {FEWEST_POSITIVE} positive events."
        )
    if any("MDSC" in str(path) for path in run.table["population"].unique()):
        parts.append("MDSC are defined by phenotype alone; suppression was not measured.")
    return " ".join(parts)


def _statistics(run: Run) -> str:
    if contrasts_of(run).empty:
        return "Nothing was compared: this run describes tubes, and tests nothing."
    units = list(dict.fromkeys(unit_of(row) for row in records(contrasts_of(run))))
    parts = [
        f"The unit of analysis is the {listed(units)}: tubes of one {listed(units)} at one level were averaged."
    ]
    for name, rows in contrasts_of(run).groupby("comparison", sort=False):
        parts.append(_comparison(str(name), rows, asked(run, str(name))))
    tests = [test for test in dict.fromkeys(contrasts_of(run)["test"]) if test]
    ranks = [test for test in dict.fromkeys(contrasts_of(run)["rank_test"]) if test]
    level = (
        100 * float(contrasts_of(run)["confidence"].iloc[0]) if "confidence" in contrasts_of(run) else 95.0
    )
    if not tests:
        parts.append("Too few subjects for a test or an interval: means and shifts alone are given.")
        return " ".join(parts)
    beside = f"; beside them {listed(ranks, at_most=None)}" if ranks else ""
    parts.append(
        f"Tests, all two-sided: {listed(tests, at_most=None)}{beside}. "
        f"Shifts are treated minus control with {level:g} % confidence intervals."
    )
    if any("logit" in test for test in tests):
        parts.append(f"Logits are log((n + 0.5) / (N {MINUS} n + 0.5)), n events of N in the base.")
    return " ".join([*parts, ADJUSTMENTS])


def _comparison(name: str, rows: pd.DataFrame, declared: Mapping[str, Any]) -> str:
    text = (f"{name}: " if name else "") + question(rows, declared)
    for family in ("primary", "secondary"):
        of = rows[rows["family"] == family]
        if len(of):
            named = listed(dict.fromkeys(measure_of(row) for row in records(of)), at_most=None)
            text += (
                f" {first_upper(family)} {'endpoint' if len(of) == 1 else 'endpoints'}, declared in the study file: "
                f"{named} (Holm over m = {int(of['m'].iloc[0])})."
            )
    others = rows[rows["family"] == "exploratory"]
    if len(others):
        text += (
            f" {'All' if len(others) == len(rows) else 'The other'} {counted(len(others), 'endpoint')} "
            f"{'is' if len(others) == 1 else 'are'} exploratory ({_family(others)})."
        )
    return text


def _family(others: pd.DataFrame) -> str:
    tested = int(others["p"].notna().sum())
    if not tested:
        return "none could be tested"
    rest = f"; {not_tested(others)}" if tested < len(others) else ""
    return f"Benjamini-Hochberg over the m = {tested} tested{rest}"


def _software(run: Run) -> str:
    versions = run.info.get("versions", {})
    known = [name for name in NAMED_VERSIONS if name in versions]
    others = sorted(set(versions) - set(known))
    text = listed([f"{name} {versions[name]}" for name in [*known, *others]], at_most=None)
    return f"{text}; random seed {run.info.get('seed')}."


def _plain(text: str) -> str:
    """Return text with the signs that Markdown would read as markup escaped."""
    return re.sub(r"([*_<>|`\\])", r"\\\1", minus(text))
