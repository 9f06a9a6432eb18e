"""Points of the unit cube to measures: simulated side by side, and each kept as it comes.

Every point meets the same random streams, so that what two points differ by comes from the parameters as far as
common random numbers can tell. Finished points are kept in the store of sweeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from ..lowering import lower
from ..run_store import origin
from ..simulation import STATISTICS, Run, replicate
from ..sweep.points import digest
from ..sweep.store import Outcome, Store
from .factors import Factor, Values
from .studies import Condition, Measure, Output, Study

Progress = Callable[[int, int], None]


def _key(condition: Condition) -> str:
    return " ".join(condition)


@dataclass
class Evaluator:
    """The measures of a study at points of the unit cube.

    Attributes
    ----------
    study : Study
    conditions : tuple of Condition
        Those that are simulated.
    factors : sequence of Factor
        Sides of the cube; parameters that are none of them stay as they are described.
    store : Store
        Points that have finished.
    seed, replications : int
    jobs : int
        Points at a time; the numbers do not depend on it.
    progress : callable, optional
        Called with (done, expected) points that the store does not have.
    simulated : int
        Points that were not in the store.
    """

    study: Study
    conditions: tuple[Condition, ...]
    factors: Sequence[Factor]
    store: Store
    seed: int = 1
    replications: int = 1
    jobs: int = 1
    progress: Progress | None = None
    simulated: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        scenarios = [self.study.build(condition, {}).model_dump_json() for condition in self.conditions]
        self._base = [origin(), self.seed, self.conditions, scenarios]

    def __call__(self, points: np.ndarray) -> dict[Measure, np.ndarray]:
        """All measures at some points.

        Parameters
        ----------
        points : float64[points, factors]
            Places on the factors' ranges, in [0, 1].

        Returns
        -------
        dict of Measure to float64[points, replications]
            In us; NaN where the values of a point exclude one another (more compulsory misses than misses, say).

        Raises
        ------
        InputError
            If the store cannot be written; what was written before is kept.
        SimulationError
            If a point cannot be simulated to its end; the others are kept.
        """
        values = [self.values(point) for point in points]
        asked = [digest(json.dumps([*self._base, sorted(told.items())])) for told in values]
        self._simulate({key: told for key, told in zip(asked, values, strict=True) if not self._has(key)})
        kept = {key: self.store.outcomes(key) for key in dict.fromkeys(asked)}

        def at(key: str, number: int, condition: Condition, statistic: str) -> float:
            return kept[key][number][_key(condition)][statistic] if kept[key] else np.nan

        return {
            (*condition, statistic): np.array(
                [[at(key, number, condition, statistic) for number in range(self.replications)] for key in asked]
            )
            for condition in self.conditions for statistic in STATISTICS
        }

    def values(self, point: Sequence[float]) -> dict[str, float]:
        """The values of the parameters, by their paths, at one point."""
        return {
            home: value for factor, u in zip(self.factors, point, strict=True)
            for home, value in factor.values(float(u)).items()
        }

    def _has(self, key: str) -> bool:
        known = self.store.outcomes(key).keys() >= set(range(self.replications))
        return known or self.store.failure(key) is not None

    def _simulate(self, missing: Mapping[str, Values]) -> None:
        with ThreadPoolExecutor(self.jobs) as pool:
            under_way = {pool.submit(self._outcomes, values): key for key, values in missing.items()}
            try:
                for count, done in enumerate(as_completed(under_way), start=1):
                    key = under_way[done]
                    try:
                        outcomes = done.result()
                    except InputError as error:
                        self.store.put_failure(key, str(error))
                    else:
                        self.store.put(key, key, outcomes)
                    self.simulated += 1
                    if self.progress is not None:
                        self.progress(count, len(missing))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _outcomes(self, values: Values) -> dict[int, Outcome]:
        """All conditions at one point, by replication."""
        outcomes: dict[int, Outcome] = {number: {} for number in range(self.replications)}
        for condition in self.conditions:
            scenario = self.study.scenario(condition, values)
            series = tuple(lower(scenario).series)
            for number, found in outcomes.items():
                run = Run(scenario, self.seed, "compiled", series, (replicate(scenario, self.seed, number),))
                found[_key(condition)] = {name: float(run.replicated(name)[0]) for name in STATISTICS}
        return outcomes


def values_of(output: Output, measured: Mapping[Measure, np.ndarray]) -> np.ndarray:
    """An output in each replication: float64[points, replications]."""
    found = measured[output.measure]
    return found if output.over is None else found / measured[output.over]
