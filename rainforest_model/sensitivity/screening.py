"""Which factors matter at all: Morris's elementary effects.

References
----------
Morris (1991). Factorial sampling plans for preliminary computational experiments. *Technometrics* 33(2).
Campolongo, Cariboni and Saltelli (2007). An effective screening design for sensitivity analysis of large models.
*Environmental Modelling & Software* 22(10).
Herman and Usher (2017). SALib: an open-source Python library for sensitivity analysis. *JOSS* 2(9).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Function = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Points of the unit cube, float64[points, factors], to outputs by name, float64[points]."""
LEVELS = 4
"""Places on each range at which trajectories stand."""
STEP = LEVELS / (2 * (LEVELS - 1))
"""Length of a step of a trajectory, as a share of the range: Morris's choice."""
RESAMPLES = 1000
"""Of the bootstrap behind an interval."""
SHARE = 0.1
"""Of the largest effect: a factor below it on every output is not looked at further."""


def salib():
    """The library, or what is missing.

    Raises
    ------
    InputError
        If SALib is not installed.
    """
    try:
        import SALib.analyze.morris
        import SALib.analyze.sobol
        import SALib.sample.morris
        import SALib.sample.sobol
    except ImportError:
        raise InputError("needs SALib, which rainforest-model[sensitivity] brings", key="sensitivity") from None
    return SALib


def cube(names: Sequence[str]) -> dict:
    """SALib's description of the unit cube: a side for each factor.

    Raises
    ------
    InputError
        If there are no factors.
    """
    if not names:
        raise InputError("no parameter with a range acts here", key="sensitivity")
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


@contextmanager
def without_variance():
    """An output that nothing changes has no effects: 0, and no warning of divisions."""
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")
        yield


def screen(names: Sequence[str], function: Function, trajectories: int, seed: int = 1) -> pd.DataFrame:
    """Elementary effects of all factors on all outputs: how much an output moves while a factor crosses its range.

    Parameters
    ----------
    names : sequence of str
        The factors.
    function : callable
    trajectories : int
        Each has as many points as there are factors, and one more.
    seed : int
        Of the design, and of the bootstrap.

    Returns
    -------
    DataFrame
        Columns output, factor, mu (mean effect), mu_star (mean absolute effect), half (half-width of its 95 % interval,
        bootstrap) and sigma (standard deviation of the effects: interaction, or curvature), in the output's unit.

    Examples
    --------
    >>> screen(["a", "b"], lambda x: {"y": 3 * x[:, 0]}, trajectories=4).mu_star.round(6).tolist()
    [3.0, 0.0]
    """
    import pandas as pd

    problem, library = cube(names), salib()
    points = library.sample.morris.sample(problem, trajectories, num_levels=LEVELS, seed=seed)
    rows = []
    for output, values in function(points).items():
        with without_variance():
            found = library.analyze.morris.analyze(
                problem, points, np.asarray(values, float), num_resamples=RESAMPLES, num_levels=LEVELS, seed=seed
            )
        rows += [
            (output, *row) for row in zip(
                names, found["mu"], found["mu_star"], found["mu_star_conf"], found["sigma"], strict=True
            )
        ]
    return pd.DataFrame(rows, columns=["output", "factor", "mu", "mu_star", "half", "sigma"])


def floor_of(deviation: float) -> float:
    """The mean absolute effect that noise alone would show.

    Parameters
    ----------
    deviation : float
        Standard deviation of an output of a point over replications; the two ends of a step are taken as independent,
        though they meet the same random numbers.

    Examples
    --------
    >>> round(floor_of(1.0), 4)
    1.6926
    """
    return deviation * math.sqrt(2) / STEP * math.sqrt(2 / math.pi)


def kept(table: pd.DataFrame, floors: Mapping[str, float], most: int) -> list[str]:
    """The factors that matter: above the noise, and not small beside the largest one, on some output.

    Parameters
    ----------
    table : DataFrame
        As `screen` returns it.
    floors : mapping of str to float
        For each output, the effect that noise alone would show.
    most : int
        If there are more, those that are largest beside the largest on an output.
    """
    share = table.mu_star / table.groupby("output").mu_star.transform("max")
    clear = table.mu_star - table.half > table.output.map(floors)
    found = share[clear & (share >= SHARE)].groupby(table.factor).max()
    return found.sort_values(ascending=False, kind="stable").index[:most].tolist()
