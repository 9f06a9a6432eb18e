"""Sensitivity: which parameters each headline depends on, and how far the orderings survive all that is not known.

A study (`studies`) names conditions, outputs and orderings. The parameters that act on it, and their ranges, are read
from the descriptions (`factors`); points of them are simulated and kept (`evaluation`); Morris's effects say which
matter (`screening`), Sobol's indices how much (`indices`), and a Latin hypercube over all of them how often an ordering
holds (`robustness`).

Examples
--------
>>> mmap = study("mmap")
>>> [factor.name for factor in mmap.factors((("mmap", "rainforest"),))][:2]
['S-A: coherence.own_load', 'S-A: coherence.own_store']
"""

from .drawing import ALTERNATIVE, describe_figure, figure
from .evaluation import Evaluator, values_of
from .factors import Factor
from .indices import share_out
from .investigation import SIZES, Findings, Sizes, investigate
from .report import ID, TITLE, combined, text, tidy, write
from .robustness import Survival, hypercube, survival
from .screening import floor_of, kept, salib, screen
from .studies import Ordering, Output, Study, conditions_of, studies, study

__all__ = [
    "ALTERNATIVE", "ID", "SIZES", "TITLE", "Evaluator", "Factor", "Findings", "Ordering", "Output", "Sizes", "Study",
    "Survival", "combined", "conditions_of", "describe_figure", "figure", "floor_of", "hypercube", "investigate",
    "kept", "salib", "screen", "share_out", "studies", "study", "survival", "text", "tidy", "values_of", "write",
]
