"""What Docker, OVSDB, the kernel, the switch and the controller each have: all of a lab of two hosts in some 30 ms.

Where a file or a socket says it, no program is started.
"""

import contextlib
import http.client
import json
import re
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.registry import Registry
from app.store.sqlite import SqliteStore
from app.wanted import Body, wants
from flows.cookie import Feature, pack
from flows.intent import Intent
from flows.model import Tunnel
from flows.pipeline import compile_bridge, listing
from scripts.lab import Lab, Machine

LEADS = re.compile(
    r"(?:ip6? daddr ([\da-f.:]+) )?tcp dport (\d+) dnat (?:ip )?to \[?([\da-f.:]+?)\]?:80$", re.MULTILINE
)
MARKER = f"cookie={pack(Feature.MARKER, 0) >> 48:#x}"


@dataclass(frozen=True)
class Port:
    """A port of br-int in OVSDB."""

    name: str
    ids: Mapping[str, str]
    ofport: int | None
    error: str | None


@dataclass(frozen=True)
class HostView:
    """One host."""

    containers: Mapping[str, dict[str, Any]]  # as `docker inspect` says, by id
    networks: Mapping[str, dict[str, Any]]  # as `docker network inspect` says: those that the walk made, by id
    links: Mapping[str, Mapping[str, str]]  # container's id -> MAC -> name of its interface: the kernel's
    addresses: Mapping[str, frozenset[str]]  # container's id -> its addresses: the kernel's
    devices: frozenset[str]
    leads: frozenset[tuple[str, int, str]]  # where ports of the host lead: its address (none: any), port -> address
    ports: tuple[Port, ...]
    records: Mapping[str, dict[str, Any]]
    amiss: tuple[str, ...]  # flows that the switch has (-) or lacks (+), against what is compiled
    meters: Mapping[int, int]  # kbps, as the switch has them
    metered: Mapping[int, int]  # as they are compiled
    wanted: Mapping[str, Body]  # of the helper


@dataclass(frozen=True)
class View:
    """All that is known of a lab anywhere."""

    hosts: Mapping[str, HostView]
    endpoints: list[dict[str, Any]]
    known: list[dict[str, Any]]  # the controller's hosts
    leases: frozenset[tuple[str, str, str]]  # host, subnet, block


def look(lab: Lab, *, tidied: bool = False) -> View:
    """How it is now. `tidied`: also what may linger in a switch a while after a move should be gone."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "state.db"
        with (
            contextlib.closing(sqlite3.connect(f"file:{lab.controller.directory}/state.db?mode=ro", uri=True)) as store,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            store.backup(target)
            leases = frozenset(target.execute("SELECT host, subnet, block FROM lease"))
        kept = SqliteStore(str(copy))
        registry = Registry(kept, Tunnel(lab.plan.tunnel))
        intent = registry.snapshot() if tidied else registry.begun()
        hosts = {host.name: _host(host, intent, registry.mtu, Path(directory)) for host in lab.hosts}
        kept.close()
    return View(hosts, lab.ask("/v1/endpoints")[1], lab.ask("/v1/hosts")[1], leases)


def _host(host: Machine, intent: Intent, mtu: int, directory: Path) -> HostView:
    contents = compile_bridge(intent, host.name)
    containers = {found["Id"]: docker(host, f"/containers/{found['Id']}/json") for found in _listed(host)}
    living = {name: found["State"]["Pid"] for name, found in containers.items() if found and found["State"]["Pid"]}
    ports, records = _database(host)
    return HostView(
        containers={name: found for name, found in containers.items() if found},
        networks=_networks(host),
        links={name: _links(host, pid) for name, pid in living.items()},
        addresses={name: _addresses(host, pid) for name, pid in living.items()},
        devices=frozenset(_devices(Path(f"/proc/{host.pid}/net/dev"))),
        leads=_leads(host),
        ports=ports,
        records=records,
        amiss=_differing(host, listing(contents), directory / f"{host.name}.flows"),
        meters=dict(_meters(host)),
        metered={number: meter.rate_kbps for number, meter in contents.meters.items()},
        wanted=wants(intent, host.name, mtu),
    )


def docker(host: Machine, resource: str) -> Any:
    """What the engine's API says; None of what is not there."""
    connection = http.client.HTTPConnection("localhost")
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(f"{host.directory}/run/docker.sock")
        connection.sock = link
        connection.request("GET", resource)
        answer = connection.getresponse()
        said = json.load(answer)
    return said if answer.status == http.client.OK else None


def _listed(host: Machine) -> Iterable[dict[str, Any]]:
    return docker(host, "/containers/json?all=1") or ()


def _networks(host: Machine) -> dict[str, dict[str, Any]]:
    found = docker(host, '/networks?filters={"type":["custom"]}') or ()
    return {net["Id"]: said for net in found if (said := docker(host, f"/networks/{net['Id']}"))}


def _devices(file: Path) -> list[str]:
    try:
        return [line.split(":")[0].strip() for line in file.read_text().splitlines()[2:]]
    except OSError:  # whose it was has just ended
        return []


def _links(host: Machine, pid: int) -> dict[str, str]:
    top = host.root / "proc" / str(pid)
    found = {}
    for name in _devices(top / "net/dev"):
        with contextlib.suppress(OSError):
            if name != "lo":
                found[(top / "root/sys/class/net" / name / "address").read_text().strip()] = name
    return found


def _addresses(host: Machine, pid: int) -> frozenset[str]:
    network = host.root / "proc" / str(pid) / "net"
    try:
        lines = (network / "fib_trie").read_text().splitlines()
        lines6 = (network / "if_inet6").read_text().splitlines()
    except OSError:
        return frozenset()
    above = pairwise(lines)
    found = {ip_address(line.split()[-1]) for line, below in above if "/32 host LOCAL" in below}
    found |= {IPv6Address(int(line.split()[0], 16)) for line in lines6}
    return frozenset(str(address) for address in found if not (address.is_loopback or address.is_link_local))


def _database(host: Machine) -> tuple[tuple[Port, ...], dict[str, dict[str, Any]]]:
    def select(table: str, *columns: str) -> dict[str, object]:
        return {"op": "select", "table": table, "where": [], "columns": list(columns)}

    asked = [
        "Open_vSwitch",
        select("Bridge", "name", "ports", "external_ids"),
        select("Port", "_uuid", "name", "external_ids", "interfaces"),
        select("Interface", "_uuid", "ofport", "error"),
    ]
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(f"{host.directory}/run/openvswitch/db.sock")
        link.sendall(json.dumps({"method": "transact", "params": asked, "id": 0}).encode())
        bridges, ports, interfaces = (part["rows"] for part in _answered(link)["result"])
    (bridge,) = (row for row in bridges if row["name"] == "br-int")
    ours = {each[1] for each in _items(bridge["ports"])}
    devices = {row["_uuid"][1]: row for row in interfaces}
    found = []
    for row in ports:
        if row["_uuid"][1] in ours and row["name"] != "br-int":
            device = devices[_items(row["interfaces"])[0][1]]
            number = next(iter(_items(device["ofport"])), None)
            found.append(
                Port(row["name"], dict(row["external_ids"][1]), number, next(iter(_items(device["error"])), None))
            )
    return tuple(found), {key: json.loads(text) for key, text in bridge["external_ids"][1] if "/" in key}


def _answered(link: socket.socket) -> Any:
    said = b""
    while True:
        said += link.recv(1 << 16)
        with contextlib.suppress(ValueError):
            return json.loads(said)


def _items(value: Any) -> list[Any]:
    """A set of OVSDB, which is written as its element if it has one (RFC 7047, 5.1)."""
    return value[1] if isinstance(value, list) and value[0] == "set" else [value]


def _leads(host: Machine) -> frozenset[tuple[str, int, str]]:
    argv = ["nsenter", f"--net=/proc/{host.pid}/ns/net", "nft", "list", "ruleset"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=True)
    return frozenset((of, int(number), address) for of, number, address in LEADS.findall(done.stdout))


def _ofctl(host: Machine, command: str, *more: str) -> list[str]:
    bridge = f"unix:{host.directory}/run/openvswitch/br-int.mgmt"
    argv = ["ovs-ofctl", "-O", "OpenFlow15", command, bridge, *more]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    return (done.stdout + done.stderr).splitlines()


def _differing(host: Machine, wanted: str, file: Path) -> tuple[str, ...]:
    file.write_text(wanted)
    return tuple(line for line in _ofctl(host, "diff-flows", str(file)) if MARKER not in line)


def _meters(host: Machine) -> Iterable[tuple[int, int]]:
    number = 0
    for word in " ".join(_ofctl(host, "dump-meters")).split():
        if word.startswith("meter="):
            number = int(word.removeprefix("meter="))
        elif word.startswith("rate="):
            yield number, int(word.removeprefix("rate="))
