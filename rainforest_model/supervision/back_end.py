"""Back-end threads of split drivers (RFtun, RFfuse): the supervisor works, and the instance it works for pays.

Where there are fewer devices than instances, a front end in an instance hands its requests to a thread beside the
driver.  All threads of an instance are in a control group made for it (RainForest, arXiv 1604.01378, section 5.4).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..descriptions import load
from ..descriptions.channel import Channel
from ..errors import InputError
from ..units import TICKS_PER_NS
from .operation import seconds

if TYPE_CHECKING:
    import pandas as pd

    from .machine import ElasticMachine


class BackEnd:
    """A thread beside a driver that serves one instance.

    Attributes
    ----------
    channel : Channel
    served : str
    requests, size : int
        How many it has handled, and their bytes.
    """

    def __init__(self, channel: Channel, served: str):
        self.channel, self.served = channel, served
        self.requests = self.size = 0
        self.free_at = 0

    @property
    def control_group(self) -> str:
        """Name of the group that it is in."""
        return f"backend/{self.served}"

    def __repr__(self) -> str:
        return f"<{self.channel.id} back end for {self.served}: {self.requests} requests>"


class BackEnds:
    """The back-end threads of a machine, and what their control groups have used.

    Attributes
    ----------
    threads : list of BackEnd
    used : Counter
        Ticks of the supervisor's core by the instance that pays for them.
    """

    def __init__(self, machine: ElasticMachine):
        self._machine = machine
        self.threads: list[BackEnd] = []
        self.used: Counter[str] = Counter()

    def attach(self, channel: Channel | str, served: str) -> BackEnd:
        """Start a thread for an instance, in the control group of that instance.

        Parameters
        ----------
        channel : Channel or str
            A described one, or the id of a shipped one: ``"rftun"`` or ``"rffuse"``.
        served : str

        Raises
        ------
        InputError
            If the instance is unknown or not alive, or nobody works at the channel's host on somebody's account.
        """
        described = load.channel(channel) if isinstance(channel, str) else channel
        instances = self._machine.instances
        if served not in instances:
            raise InputError(f"no such instance; known: {', '.join(instances)}", key="served", value=served)
        if not instances[served].alive:
            raise InputError(f"is {instances[served].state.value}", key="served", value=served)
        if not any(stage.core == "host" and stage.charged == "sender" for stage in described.speaks().stage):
            raise InputError("has no back end that the instance pays for", key="channel", value=described.id)
        thread = BackEnd(described, served)
        self.threads.append(thread)
        return thread

    def carry(self, thread: BackEnd, size: int, protocol: str | None = None) -> int:
        """Let a thread handle a request of `size` bytes; the tick at which it is done.

        The front end's work keeps the core of the instance, the back end's that of the supervisor.

        Raises
        ------
        InputError
            If the instance is not alive, the supervisor down, or the channel has no such protocol.
        """
        instance, supervisor = self._machine.instances.get(thread.served), self._machine.supervisor
        if instance is None or not instance.alive:
            raise InputError("is not alive", key="served", value=thread.served)
        if not supervisor.up:
            raise InputError("the supervisor, which drives the device, is down", key="served", value=thread.served)
        cores = thread.channel.core_ns(size, protocol)
        front, back = (round(cores[party] * TICKS_PER_NS) for party in ("sender", "host"))
        self._machine.engine.occupy(instance.communication_core, front)
        self._machine.engine.occupy(supervisor.core, back)
        self.used[thread.served] += back
        thread.requests, thread.size = thread.requests + 1, thread.size + size
        thread.free_at = max(self._machine.now + front, thread.free_at) + back
        return thread.free_at

    def account(self) -> pd.DataFrame:
        """What each control group has used.

        Returns
        -------
        DataFrame
            Columns instance, control_group, threads, requests, bytes, core_s (of the supervisor's core).
        """
        import pandas as pd

        rows = []
        for name in dict.fromkeys(thread.served for thread in self.threads):
            mine = [thread for thread in self.threads if thread.served == name]
            rows.append((
                name, mine[0].control_group, len(mine), sum(t.requests for t in mine), sum(t.size for t in mine),
                seconds(self.used[name]),
            ))
        columns = ["instance", "control_group", "threads", "requests", "bytes", "core_s"]
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        return f"<BackEnds: {len(self.threads)} threads>"
