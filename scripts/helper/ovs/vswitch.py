"""The bridge of this host in OVSDB: that it is there, its ports, and the records of what is attached.

A record (`Bridge.external_ids`) is what a container is to get back; a port is what it has now. They are written in one
transaction. A port is there when ovs-vswitchd has given it a number (`ofport`): `-1` or an error is a failure, and
what was added is taken back. A device that was deleted and made again under the same name stays dead in the userspace
datapath, so host ends have a new name each time.

Each port of ours asks for its number (`ofport_request`), so that flows can name it while it is made, and nobody else's
request can take it. It is one that ovs-vswitchd gives to no port by itself: to fulfil a request for a number that is
taken, it takes both ports out and makes them again, a gateway without its address.

What was made is remembered as it was written, from then until it is taken away. What differs from that is drift:
somebody else's doing, as long as whoever looks is alone (the host's lock).
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from flows.model import Mac
from scripts.helper.ovs.ovsdb import Ovsdb, VswitchError
from scripts.helper.ovs.plan import OURS, BridgePlan, PortPlan, found

__all__ = ["PortState", "Vswitch", "VswitchError"]

# keys of Port.external_ids
ENDPOINT, PEER, JOIN, DRIVEN = OURS + "endpoint", OURS + "peer", OURS + "join", OURS + "driven"
RESOLVER = OURS + "resolver"
OFPORTS = range(0x8000, 0xFF00)  # to ask for; those below are the ones that ovs-vswitchd gives by itself

COLUMNS = {
    "Open_vSwitch": ("bridges", "other_config"),
    "Bridge": (
        "name", "ports", "controller", "fail_mode", "protocols", "datapath_type", "other_config", "external_ids",
        "flow_tables",
    ),
    "Port": ("name", "interfaces", "qos", "external_ids"),
    "Interface": ("name", "type", "options", "mac", "mtu_request", "ofport", "ofport_request", "error"),
    "Controller": ("target", "connection_mode", "max_backoff", "inactivity_probe"),
    "Flow_Table": ("name",),
    "QoS": ("type",),
}  # fmt: skip


@dataclass(frozen=True)
class PortState:
    """A port of the bridge as it is now."""

    name: str
    ofport: int | None
    endpoint: str | None = None  # <container>/<ifname>
    peer: str | None = None  # the host that the tunnel leads to
    join: str | None = None  # the Linux bridge that it joins
    driven: str | None = None  # the id of Docker's endpoint
    resolver: str | None = None  # the vlan of the network whose questions it takes
    error: str | None = None  # why it has no ofport


class Vswitch:
    """Open vSwitch on this host, and our bridge in it. Any thread may call; each call ends at about the time-out."""

    def __init__(self, ovsdb: str, bridge: str, timeout_s: float = 10) -> None:
        """Connect; VswitchError says what is missing."""
        self._bridge_name, self._timeout_s = bridge, timeout_s
        self._db = Ovsdb(ovsdb, COLUMNS, timeout_s)
        self._plan: BridgePlan | None = None
        self._period: tuple[int, float] | None = None  # after so many changes: between rounds, in seconds
        self._stands: dict[str, PortPlan] = {}  # what we made
        self._kept: dict[str, str] = {}  # all records, for a bridge that is made again
        self._last_ofport = OFPORTS[-1]  # that was given out
        self._numbering = threading.Lock()

    def close(self) -> None:
        """End the connection."""
        self._db.close()

    def revalidates_s(self) -> float:
        """After which time ovs-vswitchd looks through its cache by itself: ovs-vswitchd.conf.db(5)."""

        def look() -> dict[str, str]:
            return next((dict(row.other_config) for row in self._db.rows("Open_vSwitch")), {})

        changes, seen = self._db.changes("Open_vSwitch"), self._period
        if seen is None or seen[0] != changes:
            said = self._db.read(look)
            periods = [_whole(said.get("max-idle"), 10_000), max(100, _whole(said.get("max-revalidator"), 500))]
            seen = self._period = changes, min(periods) / 1000
        return seen[1]

    def connected(self) -> bool:
        """Whether the database answers now."""
        return self._db.connected

    def ensure_bridge(self, *, dpid: int, datapath_type: str, openflow: str, tables: Mapping[int, str]) -> None:
        """The bridge is there, secure from its first moment, and connects to the controller at `openflow`. Idempotent.

        One transaction: a bridge that has no controller and gets its first one loses its flows, and one that is not
        secure forwards everything until then.
        """
        plan = BridgePlan(self._bridge_name, dpid, datapath_type, openflow, tables)
        self._db.transact(lambda txn: plan.write(self._db, txn, self._kept))
        self._db.wait(
            lambda: self._ofport(self._bridge_name),
            f"Open vSwitch did not make the bridge “{self._bridge_name}” of datapath type “{datapath_type}” within "
            f"{self._timeout_s:g} s. Is ovs-vswitchd running? A kernel without the openvswitch module needs "
            '`datapath_type = "netdev"` in the helper\'s configuration.',
        )
        self._plan = plan

    def records(self, prefix: str) -> dict[str, str]:
        """The bridge's records whose keys begin so."""
        external_ids = self._db.read(lambda: dict(self._bridge().external_ids))
        return {key: value for key, value in external_ids.items() if key.startswith(prefix)}

    def write_record(self, key: str, value: str) -> None:
        """Write one record, or replace it."""
        self._db.transact(lambda _: self._bridge().setkey("external_ids", key, value))
        self._kept[key] = value

    def remove_record(self, key: str) -> None:
        """Remove one record, if it is there."""
        self._kept.pop(key, None)
        self._db.transact(lambda _: self._bridge().delkey("external_ids", key))

    def next_ofport(self) -> int:
        """A number for a port, which none of ours asks for, and of those the one that was given out longest ago."""
        with self._numbering:
            taken = {plan.ofport for plan in tuple(self._stands.values())}
            at = OFPORTS.index(self._last_ofport) + 1
            numbers = chain(OFPORTS[at:], OFPORTS[:at])
            self._last_ofport = next(number for number in numbers if number not in taken)
            return self._last_ofport

    def add_endpoint_port(self, name: str, endpoint: str, ofport: int | None = None) -> int:
        """A new port on this device, for `<container>/<ifname>`; its ofport. All or nothing.

        That is the number that was given out for it, unless somebody else's port has that.
        """
        return self._add(PortPlan(name, {ENDPOINT: endpoint}, shaped=True, ofport=ofport))

    def add_driven_port(self, name: str, endpoint: str, record: tuple[str, str]) -> int:
        """The same for Docker's endpoint of this id, with its record."""
        return self._add(PortPlan(name, {DRIVEN: endpoint}, shaped=True), record)

    def _add(self, plan: PortPlan, record: tuple[str, str] | None = None) -> int:
        name, plan = plan.name, self._numbered(plan)

        def work(txn: Any) -> None:
            plan.write(self._db, txn, self._bridge())
            if record:
                self._bridge().setkey("external_ids", *record)

        if self._db.read(lambda: self._db.row("Port", name)):
            raise VswitchError(f"There is a port “{name}” already, and a device that comes again stays dead in it.")
        with self._taken_back(name, record[0] if record else None):
            self._db.transact(work)
            if record:
                self._kept[record[0]] = record[1]
            return self._made(plan)

    def add_internal_port(self, name: str, *, external_ids: Mapping[str, str], mac: Mac, mtu: int) -> int:
        """A port that is a device of this host, with this MAC and MTU (bytes); its ofport. Idempotent."""
        return self._ensure(PortPlan(name, external_ids, {"type": "internal", "mac": [str(mac)], "mtu_request": [mtu]}))

    def add_tunnel_port(self, name: str, kind: str, remote: str, local: str | None, peer: str) -> int:
        """A tunnel (`gre`, `vxlan`) between two underlay addresses, its key set by flows; its ofport. Idempotent.

        Without a `local` one it has that of the route.
        """
        options = {"remote_ip": remote, "key": "flow", **({"local_ip": local} if local else {})}
        return self._ensure(PortPlan(name, {PEER: peer}, {"type": kind, "options": options}))

    def add_port(self, name: str, external_ids: Mapping[str, str]) -> int:
        """A port on a device of this host; its ofport. Idempotent."""
        return self._ensure(PortPlan(name, external_ids))

    def delete_port(self, name: str, record: str | None = None) -> None:
        """Remove the port, and this record with it, if they are there."""

        def work(_: object) -> None:
            bridge, port = self._bridge(), self._db.row("Port", name)
            if port in bridge.ports:
                bridge.delvalue("ports", port)
            if record:
                bridge.delkey("external_ids", record)

        self._stands.pop(name, None)
        self._kept.pop(record or "", None)
        self._db.transact(work)

    def ports(self) -> dict[str, PortState]:
        """The bridge's ports by name, without its own."""
        return self._db.read(
            lambda: {port.name: _state(port) for port in self._bridge().ports if port.name != self._bridge_name}
        )

    def adopt(self) -> None:
        """Ports of ours that an earlier helper made are as they should be, as they are found now.

        One that asks for no number asks for the one that it has; and from here on none is given out that any port has.
        """

        def look() -> list[tuple[PortState, PortPlan]]:
            return [(_state(port), found(port)) for port in self._bridge().ports]

        ports = self._db.read(look)
        ours = {plan.name: (state, plan) for state, plan in ports if plan.external_ids}
        self._stands = {name: plan for name, (_, plan) in ours.items()} | self._stands
        for name, (state, plan) in ours.items():
            if plan.ofport is None and state.ofport is not None:
                self._stands[name] = replace(self._stands[name], ofport=state.ofport)
                self.mend(name)
        taken = {state.ofport or 0 for state, _ in ports}
        self._last_ofport = max(taken.intersection(OFPORTS), default=self._last_ofport)

    def changed_since(self, seen: int) -> int:
        """Wait until the database is otherwise than when this was seen, for a while at most; what is seen now."""
        return self._db.changed_since(seen)

    def drift(self) -> dict[str, str]:
        """What of our own differs from how we made it, in words, by the name of the bridge or port."""
        return self._db.read(self._drift)

    def mend(self, name: str) -> None:
        """Write this bridge or port again as it was; what is not (any more) ours needs none."""
        if self._plan and name == self._bridge_name:
            plan = self._plan
            self._db.transact(lambda txn: plan.write(self._db, txn, self._kept))
        elif name in self._stands:
            port = self._stands[name]
            self._db.transact(lambda txn: port.write(self._db, txn, self._bridge()))

    def answered(self, names: Iterable[str]) -> None:
        """Wait until ovs-vswitchd has said which number each of these ports has, or that it can have none."""
        waiting = [name for name in names if name in self._stands]

        def done() -> bool | None:
            devices = [self._db.row("Interface", name) for name in waiting]
            return all(device is None or device.ofport or device.error for device in devices) or None

        self._db.wait(done, f"ovs-vswitchd did not take what was mended within {self._timeout_s:g} s. Is it running?")

    def _drift(self) -> dict[str, str]:
        amiss = {self._bridge_name: self._plan.amiss(self._db) if self._plan else None}
        bridge = self._db.row("Bridge", self._bridge_name)
        if bridge is not None:
            self._kept = dict(bridge.external_ids)  # somebody may have removed a record, and that counts
            ports = {port.name: port for port in bridge.ports}
            amiss |= {name: plan.amiss(self._db, ports) for name, plan in self._stands.items()}
        return {name: words for name, words in amiss.items() if words}

    def _ensure(self, plan: PortPlan) -> int:
        have = self._db.read(lambda: (port := self._db.row("Port", plan.name)) and found(port))
        known = self._stands.get(plan.name, have)
        plan = replace(plan, ofport=known.ofport) if known else self._numbered(plan)
        with ExitStack() if have else self._taken_back(plan.name, None):
            self._db.transact(lambda txn: plan.write(self._db, txn, self._bridge()))
            return self._made(plan)

    def _numbered(self, plan: PortPlan) -> PortPlan:
        return plan if plan.ofport else replace(plan, ofport=self.next_ofport())

    def _made(self, plan: PortPlan) -> int:
        ofport = self._number(plan.name)
        self._stands[plan.name] = plan
        return ofport

    @contextmanager
    def _taken_back(self, name: str, record: str | None) -> Iterator[None]:
        try:
            yield
        except Exception:
            with suppress(VswitchError):  # then it is queued behind what it takes back; the first error is what counts
                self.delete_port(name, record)
            raise

    def _number(self, name: str) -> int:
        return self._db.wait(
            lambda: self._ofport(name),
            f"ovs-vswitchd gave the port “{name}” no number within {self._timeout_s:g} s. Is it running?",
        )

    def _ofport(self, name: str) -> int | None:
        device = self._db.row("Interface", name)
        if device is None:
            raise VswitchError(f"The port “{name}” was removed by somebody else.")
        if device.error:
            raise VswitchError(f"Open vSwitch could not use the port “{name}”: {device.error[0]}.")
        if device.ofport == [-1]:
            raise VswitchError(f"Open vSwitch could not use the port “{name}”. Its log says why.")
        return device.ofport[0] if device.ofport else None

    def _bridge(self) -> Any:
        bridge = self._db.row("Bridge", self._bridge_name)
        if bridge is None:
            raise VswitchError(f"There is no bridge “{self._bridge_name}”. Start the helper again: it makes it.")
        return bridge


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() else otherwise


def _state(port: Any) -> PortState:
    device, ids = port.interfaces[0], port.external_ids
    return PortState(
        name=port.name,
        ofport=device.ofport[0] if device.ofport and device.ofport != [-1] else None,
        endpoint=ids.get(ENDPOINT),
        peer=ids.get(PEER),
        join=ids.get(JOIN),
        driven=ids.get(DRIVEN),
        resolver=ids.get(RESOLVER),
        error=device.error[0] if device.error else None,
    )
