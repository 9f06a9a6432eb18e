"""Fitting by machine: the declared free parameters, inside their ranges, to the declared claims.

``data/parameters/calibration.toml`` declares what is fitted to what (`declaration`), an experiment offers
the model, the search is least squares (`search`), and ``data/parameters/fitted.toml`` records what came of
it (`record`), from where `rainforest_model.descriptions.fitted` lays it over the home files.

An experiment offers a fit by an attribute ``FITS``, a mapping from the fit's id to a function::

    FITS = {"search": fitted_claims}

    def fitted_claims(values: Mapping[str, float], options: Options) -> dict[str, float]:
        \"""The model's value of each claim of the fit, in the claim's unit.\"""

``values`` holds every declared parameter by its path (``"workloads/search.toml:cpu"``), in the unit of its
home file: the ones that are tried, those that earlier fits found, and the start values of later fits.
The function describes with them and with nothing fitted besides: `descriptions.fitted.with_fitted` takes
them as its `values`, and `descriptions.fitted.of_file` gives those of one file by their keys. It simulates
with ``options.seed`` and ``options.jobs`` and a *fixed* number of replications, so that every evaluation
meets the same random streams and the same values always give the same answer.

Common random numbers make a model repeatable, not smooth: a search finds values no better than the model's
own noise between neighbouring values, so a fit wants runs long enough for claims to move by far less than a
tolerance from seed to seed. Fit again with another ``--seed`` to see what the noise leaves open.
"""

from .declaration import Fit, Free, read_fits
from .fitting import Told, calibrate, check, models
from .record import report

__all__ = ["Fit", "Free", "Told", "calibrate", "check", "models", "read_fits", "report"]
