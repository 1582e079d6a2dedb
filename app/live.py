"""What switches hold now: read from all of them side by side, each flow with the reason why it is there."""

from collections.abc import Mapping, Sequence

from os_ken.lib import hub

from app import views
from app.desk import LiveFlow, RefusedError
from app.openflow.codec import LiveEntry
from app.openflow.switch import Switch, SwitchGoneError
from app.registry import Registry
from flows.model import EndpointKey


class LiveFlows:
    """Reads the connected `bridges`, which are by dpid; asks the registry whose they are. Keeps nothing."""

    def __init__(self, registry: Registry, bridges: Mapping[int, Switch]) -> None:
        self._registry = registry
        self._bridges = bridges

    def read(self, host: str | None, key: EndpointKey | None, table: int | None) -> Sequence[LiveFlow]:
        """The flows of this host, or of all; of this endpoint, of this table.

        RefusedError 409 if that one host's switch is not connected, 504 if one that is does not answer.
        """
        owner = None if key is None else self._registry.ids.find("endpoint", str(key))
        names = sorted(self._registry.hosts) if host is None else [host]
        found: dict[str, list[LiveEntry]] = {}
        silent: list[str] = []
        hub.joinall([hub.spawn(self._read_one, name, table, found, silent) for name in names])
        if silent:
            raise RefusedError(504, "switch-silent", silent[0], errors=silent)
        if host is not None and host not in found:
            raise RefusedError(409, "switch-away", f"the switch of {host} is not connected: see “containet hosts”")
        owners, reports, rules = self._registry.ids.things, self._registry.reports, self._registry.rules
        return [
            views.live_flow(name, entry, owners, reports, rules)
            for name in names
            for entry in found.get(name, ())
            if key is None or (owner is not None and views.is_for(entry.cookie, owner))
        ]

    def _read_one(self, host: str, table: int | None, found: dict[str, list[LiveEntry]], silent: list[str]) -> None:
        bridge = self._bridges.get(self._registry.hosts[host].dpid)
        try:
            if bridge is not None:
                found[host] = bridge.live(table)
        except SwitchGoneError as error:
            silent.append(str(error))
