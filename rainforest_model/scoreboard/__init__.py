"""The scoreboard: every claim of the paper beside the model's answer, and what the answers sum up to.

Verdicts are made elsewhere, from saved results (`rainforest_model.reproduce.verdicts`). Here each miss is given the
sentence that explains it (`misses`), the totals are held against the aims of the suite (`totals`), and both become
text, a figure and a JSON file.
"""

from .board import Scoreboard, json_text, scoreboard, text, write
from .drawing import ALTERNATIVE, TITLE, describe_figure, figure, legend
from .misses import explanation, read_reasons
from .totals import Aim, Totals, aims, error, totals

__all__ = [
    "ALTERNATIVE", "TITLE", "Aim", "Scoreboard", "Totals", "aims", "describe_figure", "error", "explanation", "figure",
    "json_text", "legend", "read_reasons", "scoreboard", "text", "totals", "write",
]
