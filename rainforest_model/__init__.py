"""A mechanistic performance laboratory for "isolate first, then share".

Descriptions of machines, kernels and programs go in; latencies with intervals come out.

Examples
--------
>>> import rainforest_model as rf
>>> rf.machine("S-A")
<Machine S-A: 2 sockets x 6 cores, 2.4 GHz>
>>> rf.system("rainforest", kernel="linux-4.9.40").title
'RainForest (Linux 4.9.40)'
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOMES = {
    "InputError": "errors",
    "Machine": "descriptions.machine",
    "Scenario": "descriptions.scenario",
    "Structure": "descriptions.structure",
    "System": "descriptions.system",
    "Program": "descriptions.program",
    "channel": "descriptions.load",
    "lifecycle": "descriptions.load",
    "machine": "descriptions.load",
    "machines": "descriptions.load",
    "system": "descriptions.load",
    "systems": "descriptions.load",
    "workload": "workloads",
    "scenario": "simulation",
    "simulate": "simulation",
    "compare": "comparison",
    "Precision": "stats",
    "MachineModel": "agents.model",
    "ElasticMachine": "supervision.machine",
    "Policy": "supervision.policy",
    "ThresholdPolicy": "supervision.policy",
    "load_scenario": "scenario_file",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str):
    """Import what is asked for, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
