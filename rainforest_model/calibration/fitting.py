"""From the declaration to the record: fit what is asked for, or hold what was fitted against the declaration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from .. import experiments
from ..descriptions.fitted import FITTED, FittedFit, fitted_parameters, read_fitted
from ..descriptions.near import hint
from ..errors import InputError
from ..experiments.common import Options
from ..resources import data_path, output_root
from ..results import write_whole
from ..simulation import SimulationError
from .declaration import DECLARATION, Fit, paper_claims, read_fits
from .record import descriptions_hash, inputs_hash, recorded, text
from .search import settle

Offer = Callable[[Mapping[str, float], Options], Mapping[str, float]]
Told = Callable[[str, int, float], None]


def models() -> dict[str, Offer]:
    """What the experiments offer: a model for each fit, by its id.

    Raises
    ------
    InputError
        If two experiments offer the same.
    """
    found: dict[str, tuple[str, Offer]] = {}
    for id in experiments.ids():
        for fit, offer in getattr(experiments.experiment(id), "FITS", {}).items():
            if fit in found:
                raise InputError(f"is offered by {found[fit][0]} too", file=f"experiment {id}", key="FITS", value=fit)
            found[fit] = (id, offer)
    return {fit: offer for fit, (_, offer) in found.items()}


def calibrate(
    ids: tuple[str, ...] = (), options: Options | None = None, *, data: Path | None = None,
    offers: Mapping[str, Offer] | None = None, target: Path | None = None, tell: Told | None = None,
) -> tuple[list[FittedFit], Path]:
    """Fit what is declared, and write what was found once all of it is.

    Parameters
    ----------
    ids : tuple of str
        Fits, all by default; the others keep what was found before.
    options : Options, optional
        Seed, engine and jobs of the simulations.
    data : Path, optional
        Instead of the shipped ``data/``.
    offers : mapping, optional
        Models by the fits' ids, instead of those of the experiments.
    target : Path, optional
        File to write, instead of ``data/parameters/fitted.toml`` in the clone or the current folder.
    tell : callable, optional
        Called with the fit's id, the evaluations so far, and the largest residual of the best of them.

    Returns
    -------
    fits : list of FittedFit
        Those that were fitted now.
    path : Path
        The file that was written.

    Raises
    ------
    InputError
        If the declaration, the ids or an offer do not fit.
    SimulationError
        If the model has no value for a claim.
    """
    options = options or Options()
    target = target or (data or output_root() / "data") / FITTED
    data = data or data_path()
    declared = read_fits(data)
    chosen = _chosen(ids, declared, data)
    offers = models() if offers is None else offers
    for fit in chosen:
        if fit.id not in offers:
            reason = f"no experiment offers a model of it in its FITS{hint(fit.id, offers)}"
            raise InputError(reason, file=data / DECLARATION, key="fit.id", value=fit.id)
    kept = {} if len(chosen) == len(declared) else {found.id: found for found in read_fitted(data)}
    values = {free.path: free.start for fit in declared for free in fit.parameters}
    descriptions, earlier, now, fits = descriptions_hash(data), {}, [], []
    for fit in declared:
        if fit in chosen:
            inputs = inputs_hash(fit, earlier, data)
            model = _complete(fit, offers[fit.id], dict(values), options)
            told = None if tell is None else lambda n, residual, id=fit.id: tell(id, n, residual)
            now.append(recorded(*settle(fit, model, told), options.seed, inputs, descriptions))
        found = now[-1] if fit in chosen else kept.get(fit.id)
        if found is not None:
            fits.append(found)
            earlier |= found.values
            values |= found.values
    write_whole(target, text(fits).encode())
    return now, target


def _chosen(ids: tuple[str, ...], declared: tuple[Fit, ...], data: Path) -> list[Fit]:
    known = {fit.id: fit for fit in declared}
    for id in ids:
        if id not in known:
            raise InputError(f"no such fit{hint(id, known)}", file=data / DECLARATION, key="fit.id", value=id)
    return [fit for fit in declared if not ids or fit.id in ids]


def _complete(fit: Fit, offer: Offer, values: dict[str, float], options: Options):
    """The offered model over the fit's own parameters, with an answer for each claim or a reason why not."""

    def model(tried: dict[str, float]) -> dict[str, float]:
        answer = offer(values | tried, options)
        wanted = {claim.id for claim in fit.claims}
        if wanted != set(answer):
            told, asked = (", ".join(sorted(ids)) or "nothing" for ids in (answer, wanted))
            raise InputError(f"the model answers for {told}, not for {asked}", file="FITS", key=fit.id)
        for id, value in answer.items():
            if not math.isfinite(value):
                where = ", ".join(f"{path} = {number:g}" for path, number in tried.items())
                raise SimulationError(f"fit {fit.id}: the model has no value for {id} at {where}")
        return dict(answer)

    return model


def check(
    ids: tuple[str, ...] = (), data: Path | None = None, offers: Mapping[str, Offer] | None = None
) -> tuple[list[str], list[str]]:
    """Hold the fitted values against the declaration, without computing them again.

    Parameters
    ----------
    ids, data, offers
        As in `calibrate`.

    Returns
    -------
    problems : list of str
        What does not agree, a line each.
    notes : list of str
        What has changed around a fit since, and may or may not matter to it.

    Raises
    ------
    InputError
        If the declaration does not fit, or there is no such fit.

    Examples
    --------
    >>> check()[0]
    []
    """
    data = data or data_path()
    declared, recorded_fits = read_fits(data), {found.id: found for found in read_fitted(data)}
    chosen, problems, notes, earlier = _chosen(ids, declared, data), [], [], {}
    descriptions = descriptions_hash(data)
    for fit in declared:
        found = recorded_fits.get(fit.id)
        if fit in chosen:
            problems += [f"{fit.id}: {line}" for line in _apart(fit, found, earlier, data)]
            if found is not None and found.descriptions != descriptions:
                notes.append(f"{fit.id}: numbers of machines, systems or workloads have changed since the fit")
        earlier |= found.values if found is not None else {}
    if not ids:
        problems += _undeclared(declared, recorded_fits, data, models() if offers is None else offers)
    return problems, notes


def _apart(fit: Fit, found: FittedFit | None, earlier: dict[str, float], data: Path) -> list[str]:
    """Where a record is not one of this fit."""
    if found is None:
        return ["is declared, but not fitted yet"]
    lines = []
    sides = {
        "parameters": ([p.path for p in fit.parameters], [p.path for p in (*found.parameter, *found.unidentified)]),
        "claims": ([claim.id for claim in fit.claims], [claim.id for claim in found.claim]),
    }
    for what, (wanted, has) in sides.items():
        if sorted(wanted) != sorted(has):
            lines.append(f"the {what} are {', '.join(wanted)}, but {', '.join(has)} when it was fitted")
    lines += [
        f"{p.path} is declared free, but nothing identifies it: its value is {p.value:g} as before, which its home "
        "file must call cited or derived" for p in found.unidentified
    ]
    if not lines and found.inputs != inputs_hash(fit, earlier, data):
        lines.append("ranges, start values, printed numbers, home files or earlier fits have changed since the fit")
    lines += [
        f"{p.path} = {p.value:g} lies outside [{p.low:g}, {p.high:g}]" for p in found.parameter
        if not p.low <= p.value <= p.high
    ]
    return lines


def _undeclared(declared, recorded_fits: dict, data: Path, offers: Mapping[str, Offer]) -> list[str]:
    """What says that it is fitted, but stands in no declaration."""
    ids = {fit.id for fit in declared}
    parameters = {free.path for fit in declared for free in fit.parameters}
    claims = {claim.id for fit in declared for claim in fit.claims}
    return [
        *(f"{id}: was fitted, but is declared no more" for id in recorded_fits if id not in ids),
        *(f"{path}: is fitted by its basis, but no fit has it" for path in fitted_parameters(data)
          if path not in parameters),
        *(f"{claim.id}: is fitted by its role, but no fit has it" for claim in paper_claims(data).values()
          if claim.role == "fitted" and claim.id not in claims),
        *(f"{id}: an experiment offers it, but no fit of this id is declared" for id in offers if id not in ids),
        *(f"{id}: is declared, but no experiment offers it" for id in sorted(ids) if id not in offers),
    ]
