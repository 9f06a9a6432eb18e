"""The machine that this runs on, as its kernel describes it."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

_CPU = Path("/sys/devices/system/cpu")


def check_system() -> None:
    """Refuse where nothing here can measure.

    Raises
    ------
    InputError
        On anything but Linux with 64-bit words.
    """
    if sys.platform != "linux" or sys.maxsize < 2**32:
        raise InputError(
            "measures the kernel of 64-bit Linux only; every other command works here too",
            key="measure", value=platform.system() or sys.platform,
        )


def usable_cores() -> tuple[int, ...]:
    """Numbers of the cores on which this process may run, one hardware thread of each."""
    return host().physical_cores


def _text(path: Path | str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _cpuinfo() -> dict[str, str]:
    """What the first processor says of itself."""
    lines = _text("/proc/cpuinfo").split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def has_steady_counter() -> bool:
    """Whether the time-stamp counter runs at one rate whatever the core does (x86, ``constant_tsc``)."""
    flags = _cpuinfo().get("flags", "").split()
    return platform.machine() == "x86_64" and {"constant_tsc", "nonstop_tsc", "rdtscp"} <= set(flags)


@dataclass(frozen=True)
class Host:
    """A machine in the words of its kernel.

    Attributes
    ----------
    cpu, kernel, governor : str
        Model of the processor, release of the kernel, governor of its clock (empty where there is none).
    virtual : bool
        Whether a hypervisor is below: what it takes away is in every tail.
    cores : tuple of int
        Hardware threads on which this process may run.
    sockets : dict of int to int
        Socket of each of these cores.
    siblings : dict of int to int
        The first of the hardware threads that share a core with it.
    memory_mb, cache_mb : float
        Memory, and last-level cache of one socket.
    mhz : float
        Clock as the kernel gives it; 0 where it does not.
    """

    cpu: str
    kernel: str
    governor: str
    virtual: bool
    cores: tuple[int, ...]
    sockets: dict[int, int]
    siblings: dict[int, int]
    memory_mb: float
    cache_mb: float
    mhz: float

    @property
    def named(self) -> str:
        """The machine in a few words, for captions and sources."""
        below = ", a virtual machine" if self.virtual else ""
        n = len(self.physical_cores)
        return f"{self.cpu}, {n} core{'s' * (n > 1)}{below}, Linux {self.kernel}"

    @property
    def physical_cores(self) -> tuple[int, ...]:
        """One number for each core, whatever hardware threads it has."""
        seen: dict[int, int] = {}
        for core in self.cores:
            seen.setdefault(self.siblings[core], core)
        return tuple(seen.values())


def host() -> Host:
    """Describe this machine."""
    info, cores = _cpuinfo(), tuple(sorted(os.sched_getaffinity(0)))
    memory = re.search(r"MemTotal:\s*(\d+) kB", _text("/proc/meminfo"))
    topology = {core: _CPU / f"cpu{core}/topology" for core in cores}
    return Host(
        cpu=info.get("model name") or info.get("CPU part") or platform.machine(),
        kernel=platform.release(),
        governor=_text(_CPU / f"cpu{cores[0]}/cpufreq/scaling_governor"),
        virtual="hypervisor" in info.get("flags", "").split(),
        cores=cores,
        sockets={core: _number(_text(topology[core] / "physical_package_id")) for core in cores},
        siblings={core: _first(_text(topology[core] / "thread_siblings_list"), core) for core in cores},
        memory_mb=int(memory[1]) / 1024 if memory else 0.0,
        cache_mb=_last_level_mb(cores[0]),
        mhz=float(info.get("cpu MHz") or 0),
    )


def _number(text: str) -> int:
    return max(0, int(text)) if text.lstrip("-").isdecimal() else 0


def _first(text: str, otherwise: int) -> int:
    found = re.match(r"\d+", text)
    return int(found[0]) if found else otherwise


def _last_level_mb(core: int) -> float:
    sizes = []
    for index in sorted((_CPU / f"cpu{core}/cache").glob("index*")):
        size = re.fullmatch(r"(\d+)([KM])", _text(index / "size"))
        if size and _text(index / "type") != "Instruction":
            sizes.append((_number(_text(index / "level")), int(size[1]) / (1024 if size[2] == "K" else 1)))
    return max(sizes)[1] if sizes else 0.0


@dataclass(frozen=True)
class CpuTimes:
    """Seconds of all cores together since boot: used, idle, and taken by the hypervisor."""

    used_s: float
    idle_s: float
    steal_s: float

    def __sub__(self, other: CpuTimes) -> CpuTimes:
        return CpuTimes(self.used_s - other.used_s, self.idle_s - other.idle_s, self.steal_s - other.steal_s)


def cpu_times(cores: tuple[int, ...]) -> CpuTimes:
    """What /proc/stat says of these cores."""
    second, used, idle, steal = os.sysconf("SC_CLK_TCK"), 0, 0, 0
    for line in _text("/proc/stat").splitlines():
        name, *rest = line.split()
        if re.fullmatch(r"cpu\d+", name) and int(name[3:]) in cores:
            values = [int(text) for text in rest[:8]] + [0] * (8 - len(rest[:8]))
            idle += values[3] + values[4]
            steal += values[7]
            used += sum(values[:3]) + values[5] + values[6]
    return CpuTimes(used / second, idle / second, steal / second)
