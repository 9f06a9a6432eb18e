"""Predictions: a student commits to a guess, and only then is it compared with what comes out."""

from __future__ import annotations

import html
import math
import os
import sys
from collections.abc import Sequence

from ..errors import InputError
from .told import Told, number

CLOSE = 1.25
"""A guess within this factor is called close."""
SAME_ORDER = 3.0
"""A guess within this factor has the right order of magnitude."""
PRINTED = "RAINFOREST_PRINTED"
"""Variable of the environment that says that the notebook will be read, not run: nobody can be asked."""


class Prediction:
    """A question, and the guess once there is one; `predict` makes it.

    Attributes
    ----------
    question : str
    options : tuple of str
        To choose from; empty where a number is asked for.
    unit : str
        Of that number.
    hint : str
    guess : str, float or None
        What the student said; None until then.
    """

    def __init__(self, question: str, options: Sequence[str] = (), unit: str = "", hint: str = ""):
        if bool(options) == bool(unit):
            raise InputError("needs either options to choose from or a unit", key="predict", value=question)
        if options and len(set(options)) < 2:
            raise InputError("needs two different options or more", key="options", value=list(options))
        self.question, self.options, self.unit, self.hint = question, tuple(options), unit, hint
        self.guess: str | float | None = None

    def say(self, guess: str | float) -> Told:
        """Predict from code instead of by clicking.

        Parameters
        ----------
        guess : str or float
            One of the options, or a number in the unit.

        Examples
        --------
        >>> predict("How long does it take?", unit="us").say(12)
        You predict **12 us**.
        """
        if self.options:
            if guess not in self.options:
                return Told(f"Choose one of: {'; '.join(self.options)}.")
            self.guess = guess
            return Told(f"You predict **{guess}**.")
        try:
            value = float(str(guess).replace(",", ""))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            return Told(f"Predict a number, in {self.unit}.")
        self.guess = value
        return Told(f"You predict **{number(value)} {self.unit}**.")

    def _repr_mimebundle_(self, **_) -> dict:
        """The form, and words for where no form can be shown."""
        among = f"one of {', '.join(self.options)}" if self.options else f"a number, in {self.unit}"
        return {**self.widget()._repr_mimebundle_(), "text/plain": f"Predict: {self.question} ({among})"}

    def widget(self):
        """Question, choice or number, and a button that commits to it, as an ipywidgets box."""
        import ipywidgets as w

        parts = [w.HTML(f"<b>Predict:</b> {html.escape(self.question)}")]
        if self.options:
            answer = w.RadioButtons(options=self.options, value=None, layout=w.Layout(width="max-content"))
        else:
            # Not FloatText: it begins with 0, which cannot be told from a guess.
            answer = w.Text(placeholder="a number", layout=w.Layout(width="8em"))
        button = w.Button(description="I predict this", button_style="primary")
        said = w.HTML()

        def commit(guess):
            said.value = html.escape(self.say(guess).text.replace("**", ""))
            if self.guess is not None:
                said.value += " Now run the next cell."
                answer.disabled = button.disabled = True

        button.on_click(lambda _: commit(answer.value))
        if self.guess is not None:
            answer.value = self.guess if self.options else f"{self.guess:g}"
            commit(self.guess)
        parts.append(answer if self.options else w.HBox([answer, w.HTML(html.escape(self.unit))]))
        if self.hint:
            parts.append(w.HTML(f"<i>{html.escape(self.hint)}</i>"))
        return w.VBox([*parts, w.HBox([button, said])])

    def __repr__(self) -> str:
        return f"<Prediction {self.question!r}: {'none yet' if self.guess is None else self.guess}>"


def predict(question: str, options: Sequence[str] = (), unit: str = "", hint: str = "") -> Prediction:
    """Ask for a guess; show the result with `reveal` in a later cell.

    A notebook that asks the same again, because its cell is run anew, gets the same prediction: what was predicted
    stays so until the kernel is restarted.

    Parameters
    ----------
    question : str
    options : sequence of str, optional
        To choose from.
    unit : str, optional
        Of the number that is asked for, instead of options.
    hint : str, optional
        How to come to a guess.

    Returns
    -------
    Prediction
        A notebook shows it as a form.

    Raises
    ------
    InputError
        Unless there are either options or a unit.

    Examples
    --------
    >>> guess = predict("How much longer with two cores?", unit="times")
    >>> guess
    <Prediction 'How much longer with two cores?': none yet>
    """
    asked = Prediction(question, options, unit, hint)
    if not _in_notebook():
        return asked
    return _kept.setdefault((question, asked.options, unit), asked)


_kept: dict[tuple, Prediction] = {}
"""The predictions of this session."""


def _in_notebook() -> bool:
    """Whether IPython runs us, if it is there at all."""
    return "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None


def reveal(prediction: Prediction, value: str | float, why: str = "") -> Told:
    """Compare a prediction with what came out; without one, say only that there is none.

    Where nobody can be asked, as in the book (`PRINTED`), the value is told folded.

    Parameters
    ----------
    prediction : Prediction
    value : str or float
        The option that came true, or the number, in the prediction's unit.
    why : str, optional
        The reason, in a sentence or two; told with the value.

    Returns
    -------
    Told

    Raises
    ------
    InputError
        If `value` is none of the options; never for what a student did.

    Examples
    --------
    >>> guess = predict("How much longer with two cores?", unit="times")
    >>> reveal(guess, 1.5)
    *You have not predicted yet.* Answer the question above, then run this cell again.
    >>> told = guess.say(2)
    >>> reveal(guess, 1.75, "They wait.")
    You said 2 times, and it is **1.75 times**: close. They wait.
    """
    if prediction.options and value not in prediction.options:
        raise InputError("is none of the options", key="value", value=value)
    if prediction.guess is None and os.environ.get(PRINTED):
        told = f"**{value}**" if prediction.options else f"**{number(value)} {prediction.unit}**"
        return Told(f"<details><summary>Predict, then look</summary>\n\nIt is {told}. {why}\n</details>")
    if prediction.guess is None:
        return Told("*You have not predicted yet.* Answer the question above, then run this cell again.")
    if prediction.options:
        right = prediction.guess == value
        verdict = f"You said *{prediction.guess}*, and " + ("**so it is**." if right else f"it is **{value}**.")
    else:
        verdict = (
            f"You said {number(prediction.guess)} {prediction.unit}, and it is **{number(value)} {prediction.unit}**: "
            f"{_distance(prediction.guess, value)}."
        )
    return Told(f"{verdict} {why}".rstrip())


def _distance(guess: float, value: float) -> str:
    """How far a guess is from the value, as a factor where there is one."""
    if guess == value:
        return "exactly so"
    if guess * value <= 0:
        return f"{number(abs(guess - value))} too {'much' if guess > value else 'little'}"
    factor = guess / value
    off = max(factor, 1 / factor)
    if off <= CLOSE:
        return "close"
    order = "the right order of magnitude, " if off <= SAME_ORDER else ""
    return f"{order}too {'much' if abs(factor) > 1 else 'little'} by a factor of {number(off)}"
