"""What should stand in the database, as values: how it is written there, and what differs from it.

Only what we write is compared: numbers and errors are ovs-vswitchd's, other keys of a map are other people's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.helper.ovs.ovsdb import Ovsdb, VswitchError, put, put_keys

OURS = "containet-"  # how our keys of Port.external_ids begin
NOOP = "linux-noop"  # the QoS type of ports that are shaped: ovs-vswitchd clears others' queues when it opens them
CONTROLLER = {"connection_mode": ["out-of-band"], "max_backoff": [1_000], "inactivity_probe": [5_000]}  # ms
PLAIN = {"type": ""}  # an interface on a device that is there already


@dataclass(frozen=True)
class BridgePlan:
    """Our bridge: secure, with this one controller and these names of tables."""

    name: str
    dpid: int
    datapath_type: str
    openflow: str  # where the controller listens
    tables: Mapping[int, str]

    def write(self, db: Ovsdb, txn: Any, records: Mapping[str, str]) -> None:
        """Make it so. A bridge that is made now gets these records."""
        bridge = db.row("Bridge", self.name)
        if bridge is None:
            bridge = self._new(db, txn)
            put(bridge, external_ids=dict(records))
        put(bridge, **self._columns())
        put_keys(bridge, "other_config", self._other_config())
        controller = next((row for row in getattr(bridge, "controller", []) if row.target == self.openflow), None)
        if controller is None:
            controller = db.insert(txn, "Controller")
            put(controller, target=self.openflow)
        put(controller, **CONTROLLER)
        put(bridge, controller=[controller])
        if not self._has_tables(bridge):
            put(bridge, flow_tables={number: _table(db, txn, name) for number, name in self.tables.items()})

    def amiss(self, db: Ovsdb) -> str | None:
        """What is otherwise, in words."""
        bridge = db.row("Bridge", self.name)
        if bridge is None:
            return f"the bridge {self.name} was removed"
        changed = [column for column, value in self._columns().items() if getattr(bridge, column) != value]
        if any(bridge.other_config.get(key) != value for key, value in self._other_config().items()):
            changed.append("other_config")
        if [row.target for row in bridge.controller] != [self.openflow] or any(
            getattr(row, column) != value for row in bridge.controller for column, value in CONTROLLER.items()
        ):
            changed.append("controller")
        if not self._has_tables(bridge):
            changed.append("flow_tables")
        return f"{', '.join(changed)} of the bridge {self.name} changed" if changed else None

    def _columns(self) -> dict[str, object]:
        return {"datapath_type": self.datapath_type, "fail_mode": ["secure"], "protocols": ["OpenFlow15"]}

    def _other_config(self) -> dict[str, str]:
        return {"datapath-id": f"{self.dpid:016x}", "disable-in-band": "true"}

    def _has_tables(self, bridge: Any) -> bool:
        named = {number: row.name for number, row in getattr(bridge, "flow_tables", {}).items()}
        return named == {number: [name] for number, name in self.tables.items()}

    def _new(self, db: Ovsdb, txn: Any) -> Any:
        bridge, port, device = (db.insert(txn, table) for table in ("Bridge", "Port", "Interface"))
        put(device, name=self.name, type="internal")
        put(port, name=self.name, interfaces=[device])
        put(bridge, name=self.name, ports=[port])
        db.rows("Open_vSwitch")[0].addvalue("bridges", bridge)
        return bridge


@dataclass(frozen=True)
class PortPlan:
    """A port of our bridge, and its one interface: columns as the library has them."""

    name: str
    external_ids: Mapping[str, str]
    interface: Mapping[str, object] = field(default_factory=PLAIN.copy)
    shaped: bool = False  # its device's queue is ours
    ofport: int | None = None  # the number that is asked for; None: ovs-vswitchd's choice

    def write(self, db: Ovsdb, txn: Any, bridge: Any) -> None:
        """Make it so."""
        port = db.row("Port", self.name)
        if port is None:
            port, device = db.insert(txn, "Port"), db.insert(txn, "Interface")
            put(device, name=self.name)
            put(port, name=self.name, interfaces=[device])
            bridge.addvalue("ports", port)
        elif port not in bridge.ports:
            raise VswitchError(f"The port “{self.name}” belongs to another bridge than “{bridge.name}”.")
        put_keys(port, "external_ids", self.external_ids)
        put(port.interfaces[0], **self._columns())
        if self.shaped:
            put(port, qos=[_noop(db, txn)])

    def amiss(self, db: Ovsdb, ports: Mapping[str, Any]) -> str | None:
        """What is otherwise, in words. `ports`: those of our bridge, by name."""
        port, what = ports.get(self.name), f"the port {self.name} ({', '.join(self._said())})"
        if port is None:
            return f"{what} was {'moved to another bridge' if db.row('Port', self.name) else 'removed'}"
        device = port.interfaces[0]
        changed = [column for column, value in self._columns().items() if getattr(device, column) != value]
        if any(port.external_ids.get(key) != value for key, value in self.external_ids.items()):
            changed.append("external_ids")
        if self.shaped and [row.type for row in port.qos] != [NOOP]:
            changed.append("qos")
        return f"{', '.join(changed)} of {what} changed" if changed else None

    def _columns(self) -> dict[str, object]:
        return {**self.interface, "ofport_request": [] if self.ofport is None else [self.ofport]}

    def _said(self) -> Iterator[str]:
        yield from (f"{key.removeprefix(OURS)} {value}" for key, value in self.external_ids.items())


def found(port: Any) -> PortPlan:
    """A port as it stands."""
    device = port.interfaces[0]
    return PortPlan(
        port.name,
        {key: value for key, value in port.external_ids.items() if key.startswith(OURS)},
        {"type": device.type, "options": device.options, "mac": device.mac, "mtu_request": device.mtu_request},
        shaped=[row.type for row in port.qos] == [NOOP],
        ofport=next(iter(device.ofport_request), None),
    )


def _table(db: Ovsdb, txn: Any, name: str) -> Any:
    table = db.insert(txn, "Flow_Table")
    put(table, name=[name])
    return table


def _noop(db: Ovsdb, txn: Any) -> Any:
    for row in db.rows("QoS"):
        if row.type == NOOP:
            return row
    row = db.insert(txn, "QoS")
    put(row, type=NOOP)
    return row
