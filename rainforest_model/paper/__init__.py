"""What the paper states, and whether the model agrees: claims, contents and verdicts.

Every figure, table and result of the paper is an :class:`Item` of ``data/paper/contents.toml``; every
number and ordering that it prints is a :class:`Claim` of ``data/paper/claims.toml``. An experiment
computes its numbers first and only then asks :func:`judge_value`, :func:`judge_probability` or
:func:`judge_fact` for a :class:`Verdict`; :func:`score` puts the verdicts of all experiments beside
the whole list, so that what no experiment judged shows as not modelled.

How a claim is judged depends on what it states. A number holds within its tolerance, inside its printed
range, or when it lies in the model's own 95 % interval. An ordering holds when it holds in at least
`CERTAIN` of the replications. A fact of the set-up holds exactly or not at all.

Examples
--------
>>> from types import SimpleNamespace
>>> stated = claim("F87.rainforest")
>>> stated.printed, stated.artefact
('69.7 %', 'fig08_search_load')
>>> verdict = judge_value(stated, SimpleNamespace(value=71.8, low=71.2, high=72.4))
>>> verdict.verdict, verdict.note
('holds', '3.0 % above')
"""

from __future__ import annotations

from .catalogue import claim, claims, contents, read_claims, read_contents
from .stated import DEFAULT_TOLERANCE, GENERAL, UNITS, Claim, ClaimKind, Item, ItemKind, Role, SystemId
from .table import WIDTH, verdict_table
from .verdicts import (
    CERTAIN,
    Estimate,
    Outcome,
    Verdict,
    judge_fact,
    judge_probability,
    judge_value,
    not_modelled,
    score,
)

__all__ = [
    "CERTAIN",
    "DEFAULT_TOLERANCE",
    "GENERAL",
    "UNITS",
    "WIDTH",
    "Claim",
    "ClaimKind",
    "Estimate",
    "Item",
    "ItemKind",
    "Outcome",
    "Role",
    "SystemId",
    "Verdict",
    "claim",
    "claims",
    "contents",
    "judge_fact",
    "judge_probability",
    "judge_value",
    "not_modelled",
    "read_claims",
    "read_contents",
    "score",
    "verdict_table",
]
