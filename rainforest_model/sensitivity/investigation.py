"""One study from its parameters to its findings: screen, share out, move everything together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..simulation import SimulationError
from .evaluation import Evaluator, values_of
from .factors import Factor
from .indices import share_out
from .robustness import hypercube, margin, survival
from .screening import floor_of, kept, screen
from .studies import Condition, Output, Study, conditions_of

if TYPE_CHECKING:
    from ..sweep.store import Store

Tell = Callable[[str], Callable[[int, int], None]]
"""Name of a stage to the progress of its points."""
QUANTILES = (0.05, 0.5, 0.95)
TABLES = ("parameters", "screening", "indices", "spread", "orderings")


@dataclass(frozen=True)
class Sizes:
    """How many points each stage has.

    Attributes
    ----------
    noise : int
        Replications at the described values, which tell how far simulation alone moves an output.
    trajectories : int
        Of the screening.
    most : int
        Factors of which indices are taken at most.
    base : int
        Points of the indices for each of these and two more; a power of two.
    points : int
        At which all parameters are moved together.
    """

    noise: int
    trajectories: int
    most: int
    base: int
    points: int


SIZES = {
    "quick": Sizes(noise=16, trajectories=6, most=6, base=32, points=128),
    "full": Sizes(noise=40, trajectories=20, most=10, base=512, points=1000),
}


@dataclass(frozen=True)
class Findings:
    """What came of a study.

    Attributes
    ----------
    study : Study
    frames : dict of str to DataFrame
        One for each of `TABLES`; each has a column study.
    points : int
        Evaluated in all.
    simulated : int
        Of these, how many the store did not have.
    """

    study: Study
    frames: dict[str, pd.DataFrame]
    points: int
    simulated: int

    def __repr__(self) -> str:
        return f"<Findings {self.study.id}: {self.points} points, {self.simulated} of them simulated now>"


@dataclass
class _Investigation:
    """What the stages of a study share."""

    study: Study
    sizes: Sizes
    seed: int
    store: Store
    jobs: int
    tell: Tell
    points: int = 0
    simulated: int = 0

    def measured(
        self, stage: str, conditions: tuple[Condition, ...], factors: Sequence[Factor], points: np.ndarray,
        replications: int | None = None,
    ):
        progress = self.tell(f"{self.study.id}: {stage}")
        evaluate = Evaluator(
            self.study, conditions, factors, self.store, self.seed, replications or self.study.replications,
            self.jobs, progress,
        )
        found = evaluate(points)
        self.points += len(points)
        self.simulated += evaluate.simulated
        return found

    def function(self, stage: str, factors: Sequence[Factor]):
        """The study's outputs as a function of places on the factors' ranges."""
        outputs = self.study.outputs

        def outputs_at(points: np.ndarray) -> dict[str, np.ndarray]:
            found = self.measured(stage, conditions_of(outputs), factors, points)
            values = {output.name: values_of(output, found).mean(axis=1) for output in outputs}
            if any(np.isnan(value).any() for value in values.values()):
                raise SimulationError(f"{self.study.id}: the ranges of some parameters exclude one another")
            return values

        return outputs_at


def investigate(
    study: Study, sizes: Sizes, store: Store, seed: int = 1, jobs: int = 1,
    tell: Tell = lambda stage: lambda done, expected: None,
) -> Findings:
    """All stages of a study; what the store has of them is not simulated again.

    Parameters
    ----------
    study : Study
    sizes : Sizes
    store : rainforest_model.sweep.Store
    seed : int
        Of the designs and of all simulations.
    jobs : int
        Points at a time; the numbers do not depend on it.
    tell : callable, optional
        Called with the name of each stage; what it returns is called with (done, expected) points.

    Raises
    ------
    InputError
        If SALib is not installed.
    SimulationError
        If a point cannot be simulated; those before it are kept.
    """
    it = _Investigation(study, sizes, seed, store, jobs, tell)
    conditions = conditions_of((*study.outputs, *study.orderings))
    factors = study.factors(conditions)
    as_described = it.measured("noise", conditions, (), np.zeros((1, 0)), sizes.noise)
    noise = {output.name: _Noise.of(output, as_described, study.replications) for output in study.outputs}
    cube = hypercube(len(factors), sizes.points, seed)
    together = it.measured("orderings", conditions, factors, cube)
    effects, shares = pd.DataFrame(), pd.DataFrame()
    if study.outputs:
        needed = conditions_of(study.outputs)
        effects, shares = _screened(it, factors if set(needed) == set(conditions) else study.factors(needed), noise)
    frames = {
        "parameters": _parameters(study, conditions, factors),
        "screening": effects,
        "indices": shares,
        "spread": _spread(study.outputs, noise, together),
        "orderings": _orderings(study, as_described, together, [f.name for f in factors], cube),
    }
    frames = {name: _of(study, frame) for name, frame in frames.items()}
    return Findings(study, frames, it.points, it.simulated)


def _screened(
    it: _Investigation, factors: Sequence[Factor], noise: Mapping[str, _Noise]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The effects of all factors, and the indices of those that matter."""
    effects = screen([f.name for f in factors], it.function("screening", factors), it.sizes.trajectories, it.seed)
    floors = {name: floor_of(found.deviation) for name, found in noise.items()}
    names = kept(effects, floors, it.sizes.most)
    effects = effects.assign(
        floor=effects.output.map(floors), described=effects.output.map({n: found.mean for n, found in noise.items()}),
        kept=effects.factor.isin(names),
    )
    if not names:
        return effects, pd.DataFrame()
    chosen = sorted((f for f in factors if f.name in names), key=lambda f: names.index(f.name))
    shares = share_out(names, it.function("indices", chosen), it.sizes.base, it.seed)
    return effects, shares.assign(noise=[noise[name].deviation ** 2 for name in shares.output])


@dataclass(frozen=True)
class _Noise:
    """An output at the described values: its mean, and how far simulation alone moves a point's value."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, output: Output, measured: Mapping, replications: int) -> _Noise:
        values = values_of(output, measured)[0]
        return cls(float(values.mean()), float(values.std(ddof=1)) / replications ** 0.5)


def _of(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    if frame.columns.empty:
        return frame
    return frame.assign(study=study.id)[["study", *frame.columns]]


def _parameters(study: Study, conditions: tuple[Condition, ...], acting: Sequence[Factor]) -> pd.DataFrame:
    """Every parameter that is described, and what was done with it."""
    by_home = {home: factor for factor in acting for home in factor.homes}
    rows = []
    for path, found in study.described(conditions).items():
        low, high = found.range
        factor = by_home.get(path)
        done = "varied" if factor else "acts on nothing here" if low < high else "has no range"
        scale = factor.scale if factor else ""
        name = factor.name if factor else ""
        rows.append((path, name, found.value, found.unit, low, high, found.basis, scale, done))
    columns = ["path", "factor", "value", "unit", "low", "high", "basis", "scale", "done"]
    return pd.DataFrame(rows, columns=columns)


def _spread(outputs: Sequence[Output], noise: Mapping[str, _Noise], measured: Mapping) -> pd.DataFrame:
    """What the outputs are where all parameters move together."""
    rows = []
    for output in outputs:
        values = values_of(output, measured).mean(axis=1)
        found = noise[output.name]
        rows.append((
            output.name, output.unit, found.mean, found.deviation, *np.quantile(values, QUANTILES), values.var(),
        ))
    columns = ["output", "unit", "described", "noise", "p5", "p50", "p95", "variance"]
    return pd.DataFrame(rows, columns=columns)


def _orderings(study: Study, as_described: Mapping, measured: Mapping, names: list[str], cube: np.ndarray):
    """How often each ordering holds, in replications at the described values and at the points."""
    rows = []
    for ordering in study.orderings:
        found = survival(ordering, measured, names, cube)
        one = {
            measure: as_described[measure].reshape(-1, 1) for measure in ordering.measures
        }
        at_home = float((margin(ordering, one) > 0).mean())
        share = found.share
        rows.append((ordering.name, at_home, share.value, share.low, share.high, share.n, found.driver,
                     found.correlation))
    columns = ["ordering", "described", "share", "low", "high", "points", "driver", "correlation"]
    return pd.DataFrame(rows, columns=columns)

