"""What the notebooks of the course are made of: predictions, checks of answers, sliders, pictures.

A lesson asks before it shows (`predict`, `reveal`), lets a student move one number at a time (`slider`), and tells
whether an answer is right without giving it away (`check`).  The answers are computed by theory or by the model, in
`rainforest_model.course.lessons`: one module a notebook, so that no answer stands beside its question.

An exercise is three cells: its text under a heading ``### Exercise 1: ...``; code that ends in
``check("01.name", answer)`` with ``answer = ...`` before it; and its solution, folded, as Markdown::

    <details><summary>Solution</summary>

    ```python
    answer = 1 + 1
    check("01.name", answer)
    ```
    </details>

This folds alike in JupyterLab, on GitHub and in a static book, where a hidden code cell does not; and "Run All" leaves
the questions open. The tests run the code of every solution.
"""

from __future__ import annotations

from .checks import Choice, Number, Trial, Verdict, Wrong, check
from .pictures import picture
from .predictions import Prediction, predict, reveal
from .sliders import slider
from .told import Told

__all__ = [
    "Choice",
    "Number",
    "Prediction",
    "Told",
    "Trial",
    "Verdict",
    "Wrong",
    "check",
    "picture",
    "predict",
    "reveal",
    "slider",
]
