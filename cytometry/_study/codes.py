"""The codes of problems: one meaning each, kept for good, so that scripts and notes can refer to them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CODES: Mapping[str, str] = MappingProxyType(
    {
        # the files that a user writes
        "CYT001": "a file or folder is not there, or a variable in a path is not set",
        "CYT002": "a file is not TOML, or not in UTF-8",
        "CYT003": "there is no such table or key in study.toml",
        "CYT004": "a setting of study.toml is missing or has a value that it cannot have",
        "CYT010": "a table is empty",
        "CYT011": "a column is missing or occurs twice",
        "CYT012": "a cell is blank that must not be",
        "CYT013": "a cell says what it cannot, or contradicts another",
        "CYT014": "two tubes have one name",
        "CYT015": "two rows have one file",
        "CYT016": "a stain is unknown, or has no tube",
        "CYT017": "a file lies outside fcs_dir",
        "CYT018": "a TODO of the draft is not filled in",
        "CYT019": "a column is not used, and another name may be meant",
        "CYT020": "a draft cannot be written: no FCS file, or the study is already there",
        "CYT021": "a study has no tube of kind sample",
        # panel and template
        "CYT101": "a marker is not in the panel",
        "CYT102": "two detectors read one marker",
        "CYT103": "a template does not exist, or contradicts itself",
        "CYT104": "a row of the panel is wrong",
        "CYT105": "a marker's name is understood differently by different readers",
        "CYT106": "$PnS of a file contradicts the panel",
        "CYT107": "two antibodies of a panel block each other",
        "CYT108": "a population is unknown, or cannot be shown by the panel",
        "CYT109": "a template is for another species",
        "CYT110": "an endpoint contradicts itself",
        "CYT112": "a panel or a template was guessed",
        "CYT113": "a built-in template goes without a step or a cut, since its marker was not stained",
        # FCS files
        "CYT201": "a file is truncated",
        "CYT202": "a file is not FCS",
        "CYT203": "a file is not there",
        "CYT204": "a file is empty, or holds no event",
        "CYT205": "a file cannot be read for another reason",
        "CYT206": "a file lacks a detector of the panel",
        "CYT207": "a file contradicts the standard and was read all the same",
        "CYT208": "files are the same to the byte",
        # compensation, scales and control tubes
        "CYT301": "a boundary lacks its control tube",
        "CYT302": "a spillover names other channels",
        "CYT303": "a spillover cannot be read",
        "CYT304": "a spillover cannot be inverted",
        "CYT305": "a spillover makes much of small errors",
        "CYT306": "a spillover was adjusted to the channels or the diagonal",
        "CYT307": "a tube is not compensated",
        "CYT308": "a spillover changes nothing",
        "CYT311": "some tubes were transformed before, and others not",
        "CYT312": "a scale is asked for a marker that the panel does not have",
        "CYT313": "a scale has parameters that make none",
        "CYT320": "a control tube of another batch stands in",
        "CYT330": "names and light do not say whose single stain it is",
        "CYT331": "a single stain shines elsewhere than where it was said to",
        "CYT332": "there is no single stain to learn a spillover from",
        "CYT333": "a single stain cannot be used",
        "CYT334": "a detector has no usable single stain",
        "CYT335": "there is no spillover to check",
        # comparisons
        "CYT401": "a subject has no partner",
        "CYT402": "there are too few subjects for a small p",
        "CYT403": "a level of the factor is not in the sheet",
        "CYT404": "batch and treatment cannot be told apart",
        "CYT405": "fresh and frozen specimens are mixed",
        "CYT406": "frozen specimens are asked for what freezing destroys",
        "CYT407": "subjects occur at both levels of what is not paired",
        "CYT408": "tubes that would be averaged are no replicates",
        "CYT409": "time and treatment change together, without an untreated arm",
        "CYT411": "subjects that live together share an arm",
        "CYT412": "groups are named by an outcome that comes after baseline",
        "CYT413": "a block, covariate or formula cannot enter a comparison",
        "CYT414": "subjects look like replicates of one",
        "CYT410": "the data cannot answer a comparison",
        # specimens and what they can show
        "CYT601": "a drug that was given hides what is asked for",
        "CYT602": "a population is called after a function that its phenotype does not prove",
        "CYT603": "a strain lacks the cells that are asked for",
        "CYT604": "a strain lacks the marker that is asked for",
        "CYT605": "cells that glow are cut by a boundary of cells that do not",
        "CYT606": "handling takes a marker off the cells",
        # gates from elsewhere
        "CYT501": "a gate from elsewhere cannot be read",
        "CYT502": "a workspace has no group or sample of that name",
    }
)
