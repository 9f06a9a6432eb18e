"""What a tail is made of: the paper's five causes (section 3.3), switched off in the model one subset at a time.

`causes` has the five, each a pure transformation of a scenario; `shapley` shares a sum out among players;
`explanation` runs all subsets under common random numbers, until the shares are known well enough; `drawing`
shows several explanations side by side.

An experiment offers the conditions of what can be explained by an attribute ``EXPLAINED``, a mapping from a
name to a function::

    EXPLAINED = {"mmap": explained}

    def explained(system: str, options: Options, cores: int = 12) -> Scenario:
        \"""The scenario whose tail is explained, on this system.\"""
"""

from .causes import CAUSES, Cause, together
from .drawing import figure
from .explanation import RULES, Explanation, Rule, explain, tables

__all__ = ["CAUSES", "RULES", "Cause", "Explanation", "Rule", "explain", "figure", "tables", "together"]
