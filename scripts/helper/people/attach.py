"""Attaching containers: `connect`, `disconnect`, `wait`. Checked here, admitted by the controller, plugged, told.

A refusal at any step leaves nothing. An absent controller is no refusal: it is told when it comes, and until then this
host is pending.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from app.wire import Admission, Ask, Outcome, Rates
from flows.model import DEFAULT_VLAN
from flows.rate import format_rate
from scripts.helper.attached.endpoints import Pair
from scripts.helper.attached.host import Host
from scripts.helper.begun import begun
from scripts.helper.containers import Container
from scripts.helper.engine import Docker
from scripts.helper.line.ahead import SESSION_S, Ahead
from scripts.helper.line.report import Channel
from scripts.helper.net import plumb
from scripts.helper.ovs.record import EndpointRecord, Key, bounded_labels
from scripts.helper.people.asked import Connect, Disconnect, Wait
from scripts.helper.people.checks import (
    existing,
    namespace_of,
    refuse_difference,
    refuse_leased,
    refuse_named_network,
    refuse_outside_gateway,
    refuse_twin,
    refuse_without_prefix,
    vlan_behind,
)
from scripts.helper.problem import AwayError, RefusedError

LOOK_S = 0.2  # between two looks whether somebody connected what is waited for

log = logging.getLogger(__name__)


class Attach:
    """What people ask about containers of this host. Any thread may call."""

    def __init__(self, host: Host, docker: Docker, channel: Channel) -> None:
        self._host, self._docker, self._channel = host, docker, channel
        self._busy: set[str] = set()  # containers that are being connected or disconnected
        self._free = threading.Condition()

    def connect(self, asked: Connect) -> dict[str, Any]:
        """Give a container an interface."""
        container = self._docker.find(asked.container)
        with self._turn(container.id):
            netns = namespace_of(container)
            there = existing(self._host.endpoints.records(), container.id, asked)
            if there is not None:
                return self._already(container, asked, *there)
            key = Key(container.id, asked.interface or plumb.free_interface(netns))
            admission, ahead = self._admit_and_plug(key, container, netns, asked)
            try:
                outcome = ahead.outcome()
            except RefusedError:
                self._host.forget(key)
                self._channel.mark_changes()
                raise
            log.info("%s (%s) is connected as %s", key.brief, container.name, admission.address)
            return self._answer(key, admission, outcome, already=False)

    def knows(self, container: str) -> bool:
        """Whether the container with this id is connected, plugged or not."""
        return any(key.container == container for key in self._host.endpoints.records())

    def disconnect(self, asked: Disconnect) -> dict[str, Any]:
        """Take away what `connect` gave."""
        found = self._records(asked.container, asked.interface)
        if not found:
            what = f"{asked.container} {asked.interface or ''}".strip()
            known = sorted({f"{record.name}:{key.interface}" for key, record in self._host.endpoints.records().items()})
            raise RefusedError(
                404, "not-connected", f"“{what}” is not connected on this host: nothing was changed.", candidates=known
            )
        removed, pending = [], set()
        for key, record in found.items():
            with self._turn(key.container):
                self._host.forget(key)
                outcome = self._channel.tell(key, 0)
            removed.append(f"{record.name}:{key.interface}")
            pending |= {self._host.config.host} if outcome is None else set(outcome.pending)
            log.info("%s (%s) is disconnected", key.brief, record.name)
        return {"removed": removed, "pending": sorted(pending)}

    def wait(self, asked: Wait) -> dict[str, Any]:
        """Until the container has its interface and every switch concerned knows it, or the time is over."""
        deadline = time.monotonic() + asked.timeout
        if not self._records(asked.container, None):
            self._docker.find(asked.container)  # refused now if there is none, not after the whole time
        pending, why = [self._host.config.host], f"“{asked.container}” is not connected yet."
        pause = threading.Event()
        while True:
            plugged = self._host.reports()
            for key, report in plugged.items():
                # Docker's own on a joined bridge have no record.
                named = asked.container in (report.name, key.container) and asked.interface in (None, key.interface)
                if named or key in self._records(asked.container, asked.interface):
                    left = max(deadline - time.monotonic(), 0)
                    outcome = self._channel.tell(key, min(SESSION_S, left), left)
                    if outcome is not None and not outcome.pending:
                        return {"container": key.container, "interface": key.interface, "pending": []}
                    pending = list(outcome.pending) if outcome else [self._host.config.host]
                    refused = outcome.why if outcome else ""
                    why = refused or self._channel.why or f"Not applied yet on {', '.join(pending)}."
            if (left := deadline - time.monotonic()) <= 0:
                return {"container": asked.container, "interface": asked.interface, "pending": pending, "why": why}
            pause.wait(min(LOOK_S, left))

    def endpoints(self) -> list[dict[str, Any]]:
        """What is attached here, plugged or not."""
        plugged = self._host.reports()
        return [
            {
                "host": self._host.config.host,
                "container": key.container,
                "interface": key.interface,
                "name": record.name,
                "address": str(record.address),
                "address6": str(record.address6) if record.address6 else None,
                "mac": record.mac,
                "mtu": record.mtu,
                "vlan": record.vlan,
                "up": format_rate(record.up_kbps),
                "down": format_rate(record.down_kbps),
                "gateway": str(record.route) if record.route else None,
                "bridge": record.behind,
                "plugged": key in plugged,
                "ofport": plugged[key].ofport if key in plugged else None,
                "refused": self._channel.refused.get(key),
            }
            for key, record in sorted(self._host.endpoints.records().items())
        ]

    def _already(self, container: Container, asked: Connect, key: Key, record: EndpointRecord) -> dict[str, Any]:
        refuse_difference(container.name, asked, key, record)
        self._host.settle(container.id, container, {})
        ahead = Ahead(self._channel, key, None)
        try:
            admission = self._admit(key, container, asked, ahead.admit)
        except RefusedError:  # it is so already, whatever the controller thinks of it; `endpoints` says what
            admission = self._admitted_here(record.address, record.address6, record)
        outcome = ahead.outcome()
        return self._answer(key, admission, outcome, already=True)

    def _admit(self, key: Key, container: Container, asked: Connect, admit: Callable[[Ask], Admission]) -> Admission:
        """The controller's admission, or ours if it is away."""
        vlan = asked.vlan
        if asked.bridge:
            vlan = vlan_behind(asked.bridge, self._host.joins.records().get(asked.bridge), vlan)
        ask = _ask(key, container, asked, vlan)
        try:
            return admit(ask)
        except AwayError as error:
            refuse_named_network(asked, str(error))
            refuse_without_prefix(asked, str(error))
            refuse_twin(self._host.endpoints.records(), ask, asked)
            refuse_leased(self._host.pools.records().values(), ask, asked)
            return self._admitted_here(IPv4Interface(asked.address), asked.interface6, ask)

    def _admitted_here(
        self, address: IPv4Interface, address6: IPv6Interface | None, said: Ask | EndpointRecord
    ) -> Admission:
        vlan = said.vlan or DEFAULT_VLAN
        return Admission(
            address=address,
            address6=address6,
            network="default" if vlan == DEFAULT_VLAN else f"vlan{vlan}",
            vlan=vlan,
            mtu=said.mtu if isinstance(said, EndpointRecord) else self._host.inner_mtu(),
            gateway=said.gateway,
            up_kbps=said.up_kbps,
            down_kbps=said.down_kbps,
        )

    def _admit_and_plug(self, key: Key, container: Container, netns: str, asked: Connect) -> tuple[Admission, Ahead]:
        """The controller is asked, and the interface made meanwhile; what fails leaves nothing."""
        ofport = None if asked.bridge else self._host.vswitch.next_ofport()
        ahead = Ahead(self._channel, key, ofport)
        admitted = begun("asking", lambda: self._admit(key, container, asked, ahead.admit))
        try:
            with self._host.making(key, container.name, netns, asked.mac, ofport) as pair:
                self._plug(key, container, pair, asked, admitted.result(), ahead)
        except BaseException:
            wait([admitted])
            ahead.taken_back()
            raise
        return admitted.result(), ahead

    def _plug(
        self, key: Key, container: Container, pair: Pair, asked: Connect, admission: Admission, ahead: Ahead
    ) -> None:
        up_kbps, down_kbps = asked.kbps
        record = EndpointRecord(
            name=container.name,
            address=admission.address,
            address6=admission.address6,
            mac=str(asked.mac),
            mtu=admission.mtu,
            route=asked.gateway or admission.gateway,
            route6=admission.gateway6,
            vlan=admission.vlan if asked.network else asked.vlan,
            up_kbps=up_kbps,
            down_kbps=down_kbps,
            gateway=asked.gateway,
            behind=asked.bridge,
            labels=bounded_labels(container.labels),
        )
        refuse_outside_gateway(record)
        rates = Rates(up_kbps=admission.up_kbps, down_kbps=admission.down_kbps)
        self._host.furnish(key, record, pair, rates)
        ahead.wait_for_flows()
        self._host.plug(key, record, pair)

    def _answer(self, key: Key, admission: Admission, outcome: Outcome | None, *, already: bool) -> dict[str, Any]:
        record = self._host.endpoints.records()[key]
        answer: dict[str, Any] = {
            "endpoint": {
                "host": self._host.config.host,
                "name": record.name,
                "container": key.container,
                "interface": key.interface,
                "address": str(record.address),
                "address6": str(record.address6) if record.address6 else None,
                "mac": record.mac,
                "vlan": admission.vlan,
                "network": admission.network,
                "mtu": record.mtu,
                "up": format_rate(admission.up_kbps),
                "down": format_rate(admission.down_kbps),
                "gateway": str(record.route) if record.route else None,
                "bridge": record.behind,
            },
            "pending": [self._host.config.host] if outcome is None else list(outcome.pending),
            "already": already,
        }
        if why := self._channel.why if outcome is None else outcome.why:
            answer["why"] = why
        return answer

    def _records(self, container: str, interface: str | None) -> dict[Key, EndpointRecord]:
        """What is attached of the container with this name, id or beginning of an id."""
        records = self._host.endpoints.records()
        for fits in (
            lambda key, record: container in (key.container, record.name),
            lambda key, _: len(container) >= 4 and key.container.startswith(container),
        ):
            found = {key: record for key, record in records.items() if fits(key, record)}
            if found:
                return {key: record for key, record in found.items() if interface in (None, key.interface)}
        return {}

    @contextmanager
    def _turn(self, container: str) -> Iterator[None]:
        """One at a time about one container."""
        with self._free:
            self._free.wait_for(lambda: container not in self._busy)
            self._busy.add(container)
        try:
            yield
        finally:
            with self._free:
                self._busy.discard(container)
                self._free.notify_all()


def _ask(key: Key, container: Container, asked: Connect, vlan: int | None) -> Ask:
    up_kbps, down_kbps = asked.kbps
    return Ask(
        container=key.container,
        interface=key.interface,
        name=container.name,
        address=asked.address,
        address6=asked.address6,
        vlan=vlan,
        network=asked.network,
        up_kbps=up_kbps,
        down_kbps=down_kbps,
        gateway=asked.gateway,
        behind=asked.bridge,
        labels=bounded_labels(container.labels),
    )
