"""How an output's variance is shared out among factors: Sobol's indices of first and of total order.

References
----------
Sobol' (2001). Global sensitivity indices for nonlinear mathematical models and their Monte Carlo estimates.
*Mathematics and Computers in Simulation* 55.
Saltelli et al. (2010). Variance based sensitivity analysis of model output. *Computer Physics Communications* 181(2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .screening import RESAMPLES, Function, cube, salib, without_variance

if TYPE_CHECKING:
    import pandas as pd


def share_out(names: Sequence[str], function: Function, base: int, seed: int = 1) -> pd.DataFrame:
    """Indices of all factors on all outputs.

    Parameters
    ----------
    names : sequence of str
        The factors.
    function : callable
    base : int
        A power of two; as many times the number of factors and two are the points.
    seed : int
        Of the design, and of the bootstrap.

    Returns
    -------
    DataFrame
        Columns output, factor, first (share of the variance that the factor explains alone), first_half (half-width of
        its 95 % interval, bootstrap), total (share that is lost where the factor is known, interactions included),
        total_half, and variance (of the output over the points, in the output's unit squared).

    Examples
    --------
    Of a sum each factor has the share of its own variance, and nothing more:

    >>> table = share_out(["a", "b"], lambda x: {"y": 3 * x[:, 0] + x[:, 1]}, base=1024)
    >>> [round(float(share), 2) for share in table.total]
    [0.9, 0.1]
    """
    import pandas as pd

    problem, library = cube(names), salib()
    points = library.sample.sobol.sample(problem, base, calc_second_order=False, seed=seed)
    rows = []
    for output, values in function(points).items():
        values = np.asarray(values, float)
        variance = float(values.var())
        found = {key: np.zeros(len(names)) for key in ("S1", "S1_conf", "ST", "ST_conf")}
        if variance > 0:
            with without_variance():
                found = library.analyze.sobol.analyze(
                    problem, values, calc_second_order=False, num_resamples=RESAMPLES, seed=seed
                )
        rows += [
            (output, name, *(float(found[key][k]) for key in ("S1", "S1_conf", "ST", "ST_conf")), variance)
            for k, name in enumerate(names)
        ]
    columns = ["output", "factor", "first", "first_half", "total", "total_half", "variance"]
    return pd.DataFrame(rows, columns=columns)
