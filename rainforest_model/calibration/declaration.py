"""What is fitted to what: the declaration, held against the data files and the paper's claims."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ..descriptions.fitted import at_key
from ..descriptions.near import hint
from ..descriptions.parameter import Description, Name, Parameter
from ..descriptions.read import read_toml, validated
from ..errors import InputError
from ..paper import DEFAULT_TOLERANCE, Claim, read_claims
from ..resources import data_path

DECLARATION = "parameters/calibration.toml"
DECADE = 10.0
DIGITS = 7


class _Declared(Description):
    id: Name
    parameters: tuple[Name, ...] = Field(min_length=1)
    claims: tuple[Name, ...] = Field(min_length=1)
    source: str = Field(min_length=3)


class _File(Description):
    fit: tuple[_Declared, ...] = ()


@dataclass(frozen=True)
class Free:
    """A free parameter, which a search moves through its range by a coordinate in 0 .. 1.

    The coordinate is logarithmic where the range spans a decade or more, and else linear.

    Examples
    --------
    >>> Free("workloads/search.toml:cpu", "ms", 10, 5, 20).value(0.5)
    12.5
    >>> Free("workloads/search.toml:cpu", "ms", 10, 1, 100).value(0.5)
    10.0
    """

    path: str
    unit: str
    start: float
    low: float
    high: float

    @property
    def _log(self) -> bool:
        return self.low > 0 and self.high >= DECADE * self.low

    def value(self, x: float) -> float:
        """The value at a coordinate, in a few digits, and never outside the range."""
        reach = self.low * (self.high / self.low) ** x if self._log else self.low + x * (self.high - self.low)
        return min(max(float(f"{reach:.{DIGITS}g}"), self.low), self.high)

    def coordinate(self, value: float) -> float:
        """The coordinate of a value."""
        if self._log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, 0.0), 1.0)


@dataclass(frozen=True)
class Fit:
    """A declared fit whose parts are all there: free parameters and the claims that they are fitted to."""

    id: str
    source: str
    parameters: tuple[Free, ...]
    claims: tuple[Claim, ...]

    def __repr__(self) -> str:
        return f"<Fit {self.id}: {len(self.parameters)} parameters to {len(self.claims)} claims>"


def tolerance(claim: Claim) -> float:
    """Relative error that counts as one in the search: the claim's tolerance."""
    return claim.tolerance or DEFAULT_TOLERANCE


def paper_claims(data: Path) -> dict[str, Claim]:
    """The paper's claims by their ids."""
    return {claim.id: claim for claim in read_claims(data / "paper" / "claims.toml")}


def read_fits(data: Path | None = None) -> tuple[Fit, ...]:
    """The declared fits.

    Parameters
    ----------
    data : Path, optional
        Instead of the shipped ``data/``.

    Raises
    ------
    InputError
        If the declaration does not fit, in itself or to what the data files and the claims say.

    Examples
    --------
    >>> all(len(fit.parameters) <= len(fit.claims) for fit in read_fits())
    True
    """
    data = data or data_path()
    path = data / DECLARATION
    declared = validated(_File, read_toml(path), path).fit
    claims, taken, fits = paper_claims(data), {}, []
    for place, fit in enumerate(declared):
        where = f"fit.{place}"
        _once(taken, path, f"{where}.id", fit.id, fit.id, "is there twice")
        for kind in ("parameters", "claims"):
            for i, name in enumerate(getattr(fit, kind)):
                _once(taken, path, f"{where}.{kind}.{i}", name, fit.id, "is used already by the fit {}")
        if len(fit.parameters) > len(fit.claims):
            reason = f"{len(fit.parameters)} parameters cannot be fitted to {len(fit.claims)} claims"
            raise InputError(reason, file=path, key=f"{where}.parameters")
        stated = [_claim(claims, id, path, f"{where}.claims.{i}") for i, id in enumerate(fit.claims)]
        free = [_free(data, fit, path, f"{where}.parameters.{i}", name) for i, name in enumerate(fit.parameters)]
        fits.append(Fit(fit.id, fit.source, tuple(free), tuple(stated)))
    return tuple(fits)


def _once(taken: dict, path: Path, key: str, name: str, fit: str, reason: str) -> None:
    about = (key.split(".")[2], name)
    if about in taken:
        raise InputError(reason.format(taken[about]), file=path, key=key, value=name)
    taken[about] = fit


def _claim(claims: dict[str, Claim], id: str, path: Path, key: str) -> Claim:
    if id not in claims:
        raise InputError(f"no such claim{hint(id, claims)}", file=path, key=key, value=id)
    if claims[id].role != "fitted":
        reason = f"is {claims[id].role} in paper/claims.toml, and a claim is fitted or predicted, never both"
        raise InputError(reason, file=path, key=key, value=id)
    if not claims[id].value:
        raise InputError("states no single number other than 0 to be fitted to", file=path, key=key, value=id)
    return claims[id]


def _free(data: Path, fit: _Declared, path: Path, key: str, name: str) -> Free:
    def refused(reason: str) -> InputError:
        return InputError(reason, file=path, key=key, value=name)

    file, _, inner = name.partition(":")
    home = (data / file).resolve()
    if not (inner and home.suffix == ".toml" and home.is_relative_to(data.resolve()) and home.is_file()):
        raise refused("no such parameter; it reads as a file in data/ and a key in it: workloads/search.toml:cpu")
    table = at_key(read_toml(home), inner)
    if not isinstance(table, dict):
        raise refused(f"no such parameter in {file}")
    parameter = validated(Parameter, table, home, inner)
    if parameter.basis != "fitted":
        raise refused(f"its basis in {file} is {parameter.basis}, not fitted")
    if set(parameter.fitted_to) != set(fit.claims):
        raise refused(f"is fitted to {', '.join(fit.claims)} here, but to {', '.join(parameter.fitted_to)} in {file}")
    low, high = parameter.range
    if low == high:
        raise refused("its range is a single point, so that nothing is free")
    return Free(name, parameter.unit, parameter.value, low, high)
