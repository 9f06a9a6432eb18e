"""The live machine: a supervisor that creates, resizes and destroys OS instances while they run, and policies for it.

`ElasticMachine` is a `mesa.Model` of slow decisions above either engine: its agents are the `Supervisor` and the
`Instance`s.  `ElasticMachine.rfm` is the management interface, usable between two steps; a `Policy` decides once in an
interval.  Nothing here knows how fast anything is: the engines run what lives where, and the descriptions tell what
each step of an operation takes.
"""

from .. import agents as agents  # first: it imports Mesa without Mesa's change of multiprocessing's start method
from .back_end import BackEnd, BackEnds
from .ficm import Message, MessageChannels
from .guard import (
    KINDS,
    SUPERVISOR,
    ConfigureIommu,
    Halt,
    LoadCr3,
    PageTableUpdate,
    Permitted,
    PrivilegedOperation,
    Refused,
    ResourceDescription,
    SecurityGuard,
    StartupIpi,
    WriteDescription,
)
from .instance import Instance, Phase
from .machine import ElasticMachine, Window
from .operation import Operation
from .ownership import FREE, TRANSIT, Account, Ledger, Loan, OwnershipViolation
from .policy import HysteresisPolicy, Observation, Policy, PolicyError, PredictivePolicy, ThresholdPolicy
from .policy_file import read_policy
from .port import Port
from .rfcom import Connection, Packet, RfCom, Zone
from .rfm import Rfm
from .supervisor import Supervisor

__all__ = [
    "FREE", "KINDS", "SUPERVISOR", "TRANSIT", "Account", "BackEnd", "BackEnds", "ConfigureIommu", "Connection",
    "ElasticMachine", "Halt", "HysteresisPolicy", "Instance", "Ledger", "LoadCr3", "Loan", "Message",
    "MessageChannels", "Observation", "Operation", "OwnershipViolation", "Packet", "PageTableUpdate", "Permitted",
    "Phase", "Policy", "PolicyError", "Port", "PredictivePolicy", "PrivilegedOperation", "Refused",
    "ResourceDescription", "RfCom", "Rfm", "SecurityGuard", "StartupIpi", "Supervisor", "ThresholdPolicy", "Window",
    "WriteDescription", "Zone", "read_policy",
]
