"""The lab: several hosts on one machine, each with its own namespaces, Open vSwitch, Docker engine and helper."""

from scripts.lab.lab import Lab, down, run, status, up
from scripts.lab.machine import Machine
from scripts.lab.plan import LabError

__all__ = ["Lab", "LabError", "Machine", "down", "run", "status", "up"]
