"""How far everybody is: applied means that the switch *and* the helper have it, and nothing else may be called so."""

import time
from collections.abc import Iterable

from app.desk import HostView
from app.helpers import Lines
from app.rollout import Rollout
from app.wire import HostUp


class Progress:
    """What the rollout and the lines to the helpers know, together."""

    def __init__(self, rollout: Rollout, lines: Lines) -> None:
        self._rollout = rollout
        self._lines = lines

    def applied(self, host: str, generation: int) -> bool:
        """Whether the host has everything of this generation."""
        return self._rollout.stands(host, generation) and not self._lines[host].pending()

    def wait(self, hosts: Iterable[str], generation: int, patience_s: float) -> tuple[str, ...]:
        """Until these hosts have this generation, but not for ever; those that have it not.

        Where some are away only they are named: it is for them that the others may be waiting.
        """
        deadline = time.monotonic() + patience_s
        while True:
            pending = tuple(sorted(host for host in hosts if not self.applied(host, generation)))
            left = deadline - time.monotonic()
            if not pending or left <= 0:
                break
            self._rollout.wait(left)
        away = tuple(host for host in pending if self._absence(host) is not None)
        return away or pending

    def state(self, host: str, generation: int) -> tuple[str, str]:
        """`up`, `pending` or `away`, and why."""
        absence = self._absence(host)
        if absence is not None:
            return "away", absence
        return ("up", "") if self.applied(host, generation) else ("pending", f"{host} has not everything yet")

    def view(self, name: str, report: HostUp, endpoints: int, generation: int) -> HostView:
        """A host as people see it."""
        line, refused = self._lines[name], self._rollout.error(name)
        return HostView(
            name=name,
            dpid=report.dpid,
            vtep=str(report.vtep),
            underlay_mtu=report.underlay_mtu,
            switch=self._rollout.bridge(name) is not None,
            helper=line.streaming,
            tunnels=report.tunnels,
            endpoints=endpoints,
            pending=not self.applied(name, generation),
            errors=(*line.book.errors.values(), *([refused] if refused else [])),
        )

    def _absence(self, host: str) -> str | None:
        if self._rollout.bridge(host) is None:
            return f"the switch of {host} is not connected"
        return None if self._lines[host].streaming else f"the helper of {host} is not connected"
