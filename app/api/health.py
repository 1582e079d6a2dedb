"""Whether the controller answers, and how many are with it."""

from dataclasses import dataclass
from typing import Literal

import app
from app.api.operation import Operation, operation
from app.desk import Desk


@dataclass(frozen=True, slots=True)
class Health:
    """An answer at all is the health; the numbers are for people."""

    status: Literal["ok"]
    version: str
    hosts: int
    switches_connected: int


def operations(desk: Desk) -> list[Operation]:
    """What a watchdog asks."""

    def get_health() -> Health:
        """Answers while the controller serves."""
        hosts = desk.hosts()
        return Health("ok", app.__version__, len(hosts), sum(view.switch for view in hosts))

    return [operation("GET", "/v1/healthz", get_health)]
