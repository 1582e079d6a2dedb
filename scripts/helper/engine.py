"""Docker's engine: how its containers and networks are, and that something changed.

It is asked, never believed to be there: everything may raise DockerAwayError, and `watch` comes back when the engine
does. An event only says whose state is to be looked at again.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_interface
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

from flows.model import DEFAULT_VLAN
from scripts.helper import labels
from scripts.helper.containers import NETNS, Attachment, Container, namespace
from scripts.helper.problem import RefusedError
from scripts.helper.remembered import Remembered

TIMEOUT_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
EVENTS = {
    "type": ["container", "network"],
    "event": ["start", "die", "destroy", "rename", "connect", "disconnect", "create", "remove"],
}
DRIVER = "containet"  # of the networks that are ours to drive
BRIDGE = "bridge"  # of those that are Linux bridges

log = logging.getLogger(__name__)


class DockerAwayError(Exception):
    """Docker does not answer."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """A network of Docker's that has its addresses from us."""

    subnet: IPv4Network | None
    subnet6: IPv6Network | None
    vlan: int  # that tells its pool apart, if one is said


class Docker:
    """The engine at `url`. Any thread may call."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._remembered = Remembered()
        self.connected = False
        self.why = "it was not asked yet"

    def close(self) -> None:
        """Let `watch` end when it next looks."""
        self._closing.set()

    def find(self, name: str) -> Container:
        """The container of this name or id; RefusedError if there is none."""
        if name.startswith(NETNS):
            return namespace(name)
        if remembered := self._remembered.find(name):
            return remembered
        try:
            found = self._inspect(name)
        except DockerAwayError as error:
            raise RefusedError(
                503, "docker-away", f"Docker does not answer at {self._url}: {error}. Is it running on this host?"
            ) from error
        if found is None:
            raise RefusedError(
                404, "unknown-container", f"There is no container “{name}” on this host. `docker ps -a` lists them."
            )
        return found

    def look(self, container: str) -> Container | None:
        """The container with this id, None if it is removed; DockerAwayError."""
        if container.startswith(NETNS):
            there = namespace(container, must_exist=False)
            return there if there.netns else None
        return self._inspect(container)

    def running(self) -> tuple[str, ...]:
        """The ids of all that run; DockerAwayError."""
        return tuple(found["Id"] for found in self._ask(lambda client: client.containers()) or ())

    def labelled(self) -> tuple[str, ...]:
        """The ids of those that run and say by labels how they want to be connected; DockerAwayError."""
        found = self._ask(lambda client: client.containers(filters={"label": labels.ADDRESS}))
        return tuple(each["Id"] for each in found or ())

    def bridges(self) -> Mapping[str, str]:
        """The Linux bridge of each network that has one, by the network's id; DockerAwayError."""
        networks: Sequence[Mapping[str, Any]] = (
            self._ask(lambda client: client.networks(filters={"driver": BRIDGE})) or ()
        )
        return {
            net["Id"]: (net.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{net['Id'][:12]}"
            for net in networks
        }

    def driven(self) -> Mapping[str, str]:
        """What the networks are called that are ours to drive, by id; DockerAwayError."""
        networks: Sequence[Mapping[str, Any]] = (
            self._ask(lambda client: client.networks(filters={"driver": DRIVER})) or ()
        )
        return {net["Id"]: net["Name"] for net in networks}

    def addressed(self) -> Mapping[str, Addressed]:
        """The networks that have their addresses from us, whoever drives them, by id; DockerAwayError."""
        networks: Sequence[Mapping[str, Any]] = self._ask(lambda client: client.networks()) or ()
        return {net["Id"]: found for net in networks if (found := _addressed(net)) is not None}

    def endpoints_of(self, network: str) -> frozenset[str]:
        """The ids of all endpoints that Docker has on this network; DockerAwayError."""
        said = self._ask(lambda client: client.inspect_network(network)) or {}
        return frozenset(each["EndpointID"] for each in (said.get("Containers") or {}).values())

    def addresses_of(self, network: str) -> frozenset[IPv4Address | IPv6Address]:
        """What somebody has on this network, or Docker keeps for something else there; DockerAwayError."""
        said = self._ask(lambda client: client.inspect_network(network)) or {}
        ends = (said.get("Containers") or {}).values()
        had = (each[kind] for each in ends for kind in ("IPv4Address", "IPv6Address") if each.get(kind))
        kept = (each.get("AuxiliaryAddresses") or {} for each in (said.get("IPAM") or {}).get("Config") or ())
        spared = (address for each in kept for address in each.values())
        return frozenset(ip_interface(address).ip for address in (*had, *spared))

    def watch(
        self, on_connect: Callable[[], None], on_event: Callable[[str], None], on_network: Callable[[], None]
    ) -> None:
        """Call `on_connect` whenever the engine is there anew, `on_event` with a container's id when it changed.

        `on_network` when a network of ours, or a Linux bridge of Docker's, came or went.

        First the stream is opened, then all is looked at, then the stream is read: nothing falls between. Ends after
        `close`.
        """
        pause = FIRST_PAUSE_S
        while not self._closing.wait(pause):
            try:
                events = self._connect().events(decode=True, filters=EVENTS)
                pause = FIRST_PAUSE_S
                with self._remembered.listening():
                    with self._remembered.attending(None):
                        on_connect()
                    for event in events:
                        container = _concerned(event)
                        with self._remembered.attending(container):
                            if container:
                                on_event(container)
                            elif _is_of_network(event):
                                on_network()
                self._gone("the engine ended the stream of events")
            except (DockerAwayError, DockerException, requests.RequestException, OSError) as error:
                self._gone(str(error))
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _inspect(self, name: str) -> Container | None:
        heard = self._remembered.heard
        said = self._ask(lambda client: client.inspect_container(name))
        if said is None:
            return None
        found = _container(said)
        self._remembered.keep(found, heard)
        return found

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        try:
            return question(self._connect())
        except NotFound:
            return None
        except APIError as error:
            raise DockerAwayError(error.explanation or str(error)) from error
        except (DockerException, requests.RequestException, OSError) as error:
            self._gone(str(error))
            raise DockerAwayError(self.why) from error

    def _connect(self) -> Any:
        with self._lock:
            if self._client is None:
                try:
                    self._client = docker.APIClient(base_url=self._url, version="auto", timeout=int(TIMEOUT_S))
                except (DockerException, requests.RequestException, OSError) as error:
                    self._gone(str(error))
                    raise DockerAwayError(self.why) from error
            if not self.connected:
                log.info("Docker is there, at %s", self._url)
            self.connected, self.why = True, ""
            return self._client

    def _gone(self, why: str) -> None:
        if self.connected or not self.why:
            log.warning("Docker is away (%s): %s; trying on", self._url, why)
        self.connected, self.why = False, why


def _container(said: Mapping[str, Any]) -> Container:
    state = said["State"]
    networks = (said.get("NetworkSettings") or {}).get("Networks") or {}
    return Container(
        id=said["Id"],
        name=said["Name"].lstrip("/"),
        netns=f"/proc/{state['Pid']}/ns/net" if state.get("Running") and state.get("Pid") else None,
        labels=(said.get("Config") or {}).get("Labels") or {},
        attachments=tuple(
            Attachment(
                net["NetworkID"],
                net["MacAddress"],
                IPv4Interface(f"{net['IPAddress']}/{net['IPPrefixLen']}"),
                _address6(net),
                net.get("EndpointID") or "",
                tuple(net.get("Aliases") or ()),
            )
            for net in networks.values()
            if net.get("IPAddress") and net.get("MacAddress")
        ),
        sandbox=(said.get("NetworkSettings") or {}).get("SandboxKey") or None,
    )


def _addressed(net: Mapping[str, Any]) -> Addressed | None:
    ipam, options = net.get("IPAM") or {}, net.get("Options") or {}
    if ipam.get("Driver") != DRIVER:
        return None
    said = [each["Subnet"] for each in ipam.get("Config") or ()]
    vlan = (ipam.get("Options") or {}).get("vlan") or (options.get("vlan") if net.get("Driver") == DRIVER else None)
    return Addressed(
        subnet=next((IPv4Network(subnet) for subnet in said if ":" not in subnet), None),
        subnet6=next((IPv6Network(subnet) for subnet in said if ":" in subnet), None),
        vlan=int(vlan or DEFAULT_VLAN),
    )


def _address6(net: Mapping[str, Any]) -> IPv6Interface | None:
    address, length = net.get("GlobalIPv6Address"), net.get("GlobalIPv6PrefixLen")
    return IPv6Interface(f"{address}/{length}") if address else None


def _concerned(event: Mapping[str, Any]) -> str | None:
    """The id of the container that an event is about."""
    actor = event.get("Actor") or {}
    found = actor.get("ID") if event.get("Type") == "container" else (actor.get("Attributes") or {}).get("container")
    return str(found) if found else None


def _is_of_network(event: Mapping[str, Any]) -> bool:
    """Whether it is about a network itself: one that we drive, or that is a Linux bridge."""
    return event.get("Type") == "network" and (event["Actor"].get("Attributes") or {}).get("type") in (DRIVER, BRIDGE)
