"""Endpoints of containers: the record on the bridge, the veth pair, the port. Whoever calls holds the host's lock.

`making` is the exception: it needs no lock but where it begins.

| the container | record | port and veth                                         |
|---------------|--------|-------------------------------------------------------|
| runs          | yes    | yes                                                   |
| stopped       | yes    | no                                                    |
| is removed    | no     | no                                                    |

What is kept in this process is only what can be had again: namespaces from Docker, rates in force from the controller,
ports from the database (a look at all of them costs 50 us each, so it is not done for every one).
"""

import secrets
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple

from app.wire import EndpointReport, Rates
from flows.model import Mac
from scripts.helper.begun import begun
from scripts.helper.net import links, plumb, shaper
from scripts.helper.net.netns import GoneError, PlumbError
from scripts.helper.ovs.record import ENDPOINT, EndpointRecord, JoinRecord, Key, endpoint_records
from scripts.helper.ovs.vswitch import PortState, Vswitch, VswitchError

VETH = "ct"  # what our host ends are called, before eight random digits


def new_host_end(prefix: str = VETH) -> str:
    """A name that no device had before: one that comes again stays dead in the userspace datapath."""
    return prefix + secrets.token_hex(4)


def is_host_end(name: str) -> bool:
    """Whether a device is called as only ours are."""
    digits = name.removeprefix(VETH)
    return len(name) == len(VETH) + 8 and digits != name and all(c in "0123456789abcdef" for c in digits)


def devices() -> frozenset[str]:
    """The devices of this host."""
    return frozenset(links.names())


def healthy(port: PortState, present: Container[str]) -> bool:
    """Whether the port has a number and its device is there."""
    return port.ofport is not None and port.error is None and port.name in present


class Pair(NamedTuple):
    """An interface that was made for a container: nobody's yet, up, and without an address."""

    netns: str
    host_end: str
    mtu: int  # bytes
    port: Future[PortState] | None  # that its host end gets meanwhile; None: it comes on a Linux bridge


class _Ends(NamedTuple):
    """The two ends of a veth."""

    netns: str
    host_end: str


class Endpoints:
    """What `connect` made on this host."""

    def __init__(self, vswitch: Vswitch) -> None:
        self._vswitch = vswitch
        self._ports: dict[Key, PortState] = {}  # as at the last look at all, and what was plugged since
        self._netns: dict[Key, str] = {}  # of those that are plugged
        self._rates: dict[Key, Rates] = {}  # in force, as the controller last said
        self._made: set[str] = set()  # host ends that are made, and not plugged yet

    def records(self) -> dict[Key, EndpointRecord]:
        """All that is attached, plugged or not."""
        return endpoint_records(self._vswitch)

    def look(self, ports: Iterable[PortState]) -> list[PortState]:
        """Look at all ports of the bridge; the strays: no record is about them, or another port is for the same."""
        records, strays = self.records(), []
        self._ports = {}
        for port in ports:
            if port.endpoint and port.name not in self._made:
                key = Key.parse(port.endpoint)
                if key in records and key not in self._ports:
                    self._ports[key] = port
                else:
                    strays.append(port)
        return strays

    def being_made(self) -> bool:
        """Whether an endpoint is just being made; for whoever has no lock."""
        return bool(self._made)

    @contextmanager
    def making(self, key: Key, netns: str, mac: Mac, mtu: int, ofport: int | None) -> Iterator[Pair]:
        """An interface for a container, and from then on its port; PlumbError. Gone again if the block fails.

        `mtu` in bytes, as far as it is known yet; `ofport`: that the port asks for; None: as in Pair.
        """
        host_end = new_host_end()
        with ExitStack() as undo:
            self._made.add(host_end)
            undo.callback(self._made.discard, host_end)
            plumb.make(netns, host_end, key.interface, mac, mtu)
            port = None if ofport is None else begun("port", lambda: self._add_port(key, host_end, ofport))
            try:
                yield Pair(netns, host_end, mtu, port)
            except BaseException:
                self._unmake(host_end, port)
                raise

    def furnish(self, key: Key, record: EndpointRecord, pair: Pair) -> None:
        """Hold the pair to the endpoint's rates, on the Linux bridge that it is for; PlumbError."""
        if record.behind:
            plumb.bridge_port(record.behind, pair.host_end)
        if record.mtu != pair.mtu:
            plumb.set_mtu(pair.host_end, record.mtu)
        rates = self._rates.get(key) or Rates(up_kbps=record.up_kbps, down_kbps=record.down_kbps)
        if rates != Rates():
            shaper.shape(pair.netns, key.interface, pair.host_end, **rates.model_dump())

    def plug(self, key: Key, record: EndpointRecord, pair: Pair, *, new: bool) -> None:
        """Give what was furnished its address, once it has its port; PlumbError or VswitchError.

        `new`: there is no record yet. It is written last, and names the host end: what no record names is half plugged,
        should this process end, and is swept or plugged anew.
        """
        port = pair.port.result() if pair.port else None
        plumb.address_in(
            pair.netns, key.interface, record.address, record.mtu, record.route, record.address6, record.route6
        )
        try:
            self.write(key, record.model_copy(update={"veth": pair.host_end}))
        except VswitchError:
            if new:
                self._erase(key)
            raise
        if port:
            self._ports[key] = port
        self._netns[key] = pair.netns
        self._made.discard(pair.host_end)

    def _unmake(self, host_end: str, port: Future[PortState] | None) -> None:
        if port is not None:
            wait([port])
            with suppress(VswitchError):  # then it goes with the next sweep
                self._vswitch.delete_port(host_end)
        with suppress(PlumbError):  # likewise; what went wrong before is what counts
            plumb.unplug(host_end)

    def _add_port(self, key: Key, host_end: str, ofport: int) -> PortState:
        given = self._vswitch.add_endpoint_port(host_end, str(key), ofport)
        return PortState(host_end, given, endpoint=str(key))

    def _erase(self, key: Key) -> None:
        with suppress(VswitchError):  # then it is queued behind what it takes back; what went wrong before counts
            self._vswitch.remove_record(ENDPOINT + str(key))

    def plugged(self, key: Key, record: EndpointRecord, netns: str) -> bool:
        """Whether the container that lives in this namespace has its interface, and that its port."""
        before = self._netns.get(key)
        if not self.whole(key, record, links.Devices()) or key.interface not in plumb.interfaces(netns):
            return False
        self._netns[key] = netns
        if before != netns:  # what was said while Docker could not say where
            self._fit(key, record)
        return True

    def netns(self, key: Key) -> str | None:
        """The path of the namespace that it is plugged in."""
        return self._netns.get(key)

    def unplug(self, key: Key, record: EndpointRecord | None) -> None:
        """Take port and veth away; the record stays."""
        self._netns.pop(key, None)
        if port := self._ports.pop(key, None):
            self.remove(port)
        if record and record.veth and (port is None or port.name != record.veth):
            plumb.unplug(record.veth)

    def remove(self, port: PortState) -> None:
        """Take a port and its device away."""
        self._vswitch.delete_port(port.name)
        plumb.unplug(port.name)

    def forget(self, key: Key) -> None:
        """Take everything away, the record first: if the rest fails, what is left has no owner and is swept."""
        record = self.records().get(key)
        self._rates.pop(key, None)
        self._vswitch.remove_record(ENDPOINT + str(key))
        self.unplug(key, record)

    def write(self, key: Key, record: EndpointRecord) -> None:
        """This is the record now."""
        self._vswitch.write_record(ENDPOINT + str(key), record.text())

    def set_rates(self, key: Key, rates: Rates) -> None:
        """These rates are in force from the next plugging on."""
        self._rates[key] = rates

    def shape(self, key: Key, rates: Rates) -> bool:
        """Hold the endpoint to these rates, now if it is plugged; whether there is such an endpoint."""
        record = self.records().get(key)
        if record is None:
            return False
        self.set_rates(key, rates)
        if ends := self._ends(key, record):
            with suppress(GoneError):  # what it has when it starts again are these
                shaper.shape(ends.netns, key.interface, ends.host_end, **rates.model_dump())
        return True

    def set_mtu(self, mtu: int) -> None:
        """All have this MTU (bytes), and their records say so; PlumbError if some cannot, once the others have it."""
        errors = []
        for key, record in self.records().items():
            if record.mtu != mtu:
                after = record.model_copy(update={"mtu": mtu})
                try:
                    self._fit(key, after)
                except PlumbError as error:
                    errors.append(error)
                else:
                    self.write(key, after)
        if errors:
            raise PlumbError(f"{errors[0]} ({len(errors)} of the endpoints here)")

    def put_back(self, ports: Collection[str]) -> Iterator[Key]:
        """Hold the endpoints on these ports to their rates again, as their queues may have gone; which they are."""
        for key, port in self._ports.items():
            if port.name in ports:
                with suppress(PlumbError):  # then it is not there any more, which the look at its container finds out
                    self._shape_again(key)
                yield key

    def unsettled(self, present: Container[str]) -> Iterator[str]:
        """The containers of which something is plugged that does not work (any more)."""
        for key, record in self.records().items():
            if (key in self._netns or key in self._ports) and not self.whole(key, record, present):
                yield key.container

    def host_ends(self) -> Iterator[str]:
        """The devices of this host that are in use."""
        yield from self._made
        yield from (port.name for port in self._ports.values())
        yield from (record.veth for record in self.records().values() if record.veth)

    def report(
        self, key: Key, joined: Mapping[str, int], joins: Mapping[str, JoinRecord], present: Container[str]
    ) -> EndpointReport | None:
        """How it is with this one; None if it is not plugged. Arguments as for `reports`."""
        record = self.records().get(key)
        return None if record is None else self._report(key, record, joined, joins, present)

    def reports(
        self, joined: Mapping[str, int], joins: Mapping[str, JoinRecord], present: Container[str]
    ) -> Iterator[EndpointReport]:
        """Those that are plugged. `joined`: the ofport of each joined Linux bridge; what is behind has its vlan."""
        for key, record in self.records().items():
            if report := self._report(key, record, joined, joins, present):
                yield report

    def whole(self, key: Key, record: EndpointRecord, present: Container[str]) -> bool:
        """Whether host end and port are there and work, and are not half plugged."""
        if record.behind:
            return record.veth in present
        port = self._ports.get(key)
        return port is not None and healthy(port, present) and record.veth in (port.name, None)

    def _fit(self, key: Key, record: EndpointRecord) -> None:
        if ends := self._ends(key, record):
            with suppress(GoneError):  # likewise
                plumb.fit(ends.netns, key.interface, ends.host_end, record.mtu)
            self._shape_again(key)  # queues and bursts are counted in frames

    def _shape_again(self, key: Key) -> None:
        if key in self._rates:  # else nobody said yet, and what is there is right
            self.shape(key, self._rates[key])

    def _ends(self, key: Key, record: EndpointRecord) -> "_Ends | None":
        """Where the veth is, if it is plugged."""
        port, netns = self._ports.get(key), self._netns.get(key)
        host_end = record.veth or (port and port.name)
        return _Ends(netns, host_end) if netns and host_end else None

    def _report(
        self,
        key: Key,
        record: EndpointRecord,
        joined: Mapping[str, int],
        joins: Mapping[str, JoinRecord],
        present: Container[str],
    ) -> EndpointReport | None:
        if not self.whole(key, record, present):
            return None
        if record.behind:
            ofport, vlan = joined.get(record.behind), joins[record.behind].vlan if record.behind in joins else None
        else:
            ofport, vlan = self._ports[key].ofport, record.vlan
        return _report(key, record, ofport, vlan) if ofport is not None else None


def _report(key: Key, record: EndpointRecord, ofport: int, vlan: int | None) -> EndpointReport:
    return EndpointReport(
        container=key.container,
        interface=key.interface,
        name=record.name,
        mac=record.mac,
        ofport=ofport,
        address=record.address,
        address6=record.address6,
        vlan=vlan,
        up_kbps=record.up_kbps,
        down_kbps=record.down_kbps,
        behind=record.behind,
        labels=record.labels,
    )
