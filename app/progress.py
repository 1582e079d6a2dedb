"""How far everybody is: applied means that the switch *and* the helper have it, and nothing else may be called so."""

import time
from collections.abc import Collection, Iterable

from app.desk import HostView
from app.helpers import Lines
from app.rollout import Rollout
from app.wire import HostUp
from flows.model import EndpointKey


class Progress:
    """What the rollout and the lines to the helpers know, together."""

    def __init__(self, rollout: Rollout, lines: Lines) -> None:
        self._rollout = rollout
        self._lines = lines

    def applied(self, host: str, generation: int) -> bool:
        """Whether the host has everything of this generation."""
        return self._settled(host, generation) and not self._lines[host].book.errors

    def wait(
        self, hosts: Collection[str], keys: Collection[EndpointKey], generation: int, patience_s: float
    ) -> tuple[str, ...]:
        """Until these hosts have this generation, and these endpoints are where they should be, but not for ever.

        Gives the hosts that have it not. Where some are away only they are named: it is for them that others wait.
        """
        deadline = time.monotonic() + patience_s
        while (left := deadline - time.monotonic()) > 0:
            if all(self._settled(host, generation) for host in hosts) and not self._rollout.unfinished(keys):
                break
            self._rollout.wait(left)
        stuck = {key.host for key in self._rollout.unfinished(keys)}
        pending = stuck | {host for host in hosts if not self.applied(host, generation)}
        waited_for = self._rollout.target.hosts if stuck else pending
        away = {host for host in waited_for if self._absence(host) is not None}
        return tuple(sorted((away if pending else set()) or pending))

    def state(self, host: str, generation: int) -> tuple[str, str]:
        """`up`, `pending` or `away`, and why."""
        absence = self._absence(host)
        if absence is not None:
            return "away", absence
        return ("up", "") if self.applied(host, generation) else ("pending", f"{host} has not everything yet")

    def why(self, hosts: Iterable[str]) -> str:
        """What these could not do, in words."""
        return "; ".join(f"{host}: {error}" for host in hosts for error in self._errors(host))

    def view(self, name: str, report: HostUp, endpoints: int, generation: int) -> HostView:
        """A host as people see it."""
        return HostView(
            name=name,
            dpid=report.dpid,
            vtep=str(report.vtep),
            underlay_mtu=report.underlay_mtu,
            switch=self._rollout.bridge(name) is not None,
            helper=self._lines[name].streaming,
            tunnels=report.tunnels,
            endpoints=endpoints,
            pending=not self.applied(name, generation),
            errors=self._errors(name),
        )

    def _errors(self, host: str) -> tuple[str, ...]:
        refused = self._rollout.error(host)
        return (*self._lines[host].book.errors.values(), *([refused] if refused else []))

    def _settled(self, host: str, generation: int) -> bool:
        """Whether there is nothing more to wait for: done, or known that it cannot be done."""
        return self._rollout.stands(host, generation) and not self._lines[host].pending()

    def _absence(self, host: str) -> str | None:
        if self._rollout.bridge(host) is None:
            return f"the switch of {host} is not connected"
        return None if self._lines[host].streaming else f"the helper of {host} is not connected"
