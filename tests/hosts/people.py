"""What people do on the hosts of a lab, and what they can see there."""

import json
import re
import sqlite3
from contextlib import closing
from typing import Any

from scripts.lab import Lab, Machine
from scripts.lab.command import poll
from scripts.lab.measure import Box

SOON_S = 20.0


def containet(host: Machine, *words: str, code: int = 0, text: str = "") -> str:
    """Everything that the command says, which must end with this code."""
    done = host.exec("containet", *words, text=text, check=False, seconds=60)
    said = done.stdout + done.stderr
    assert done.returncode == code, f"containet {' '.join(words)} ended with {done.returncode}, not {code}:\n{said}"
    return said


def connect(box: Box, address: str, *options: str, code: int = 0) -> str:
    """`containet connect`, on the container's host."""
    return containet(box.host, "connect", box.name, address, *options, code=code)


def endpoints(lab: Lab) -> dict[str, dict[str, Any]]:
    """The controller's endpoints by `name:interface`."""
    return {f"{found['name']}:{found['interface']}": found for found in lab.ask("/v1/endpoints")[1]}


def soon(done: Any, what: str, seconds: float = SOON_S) -> None:
    """It becomes so in time."""
    assert poll(done, seconds), f"not within {seconds:g} s: {what}"


def named(lab: Lab, *vlans: int) -> None:
    """Names are answered in these networks wherever somebody is in them: that comes moments after he does."""

    def answered() -> bool:
        ends = [end for end in lab.ask("/v1/endpoints")[1] if end["vlan"] in vlans]
        answering = {(end["host"], end["vlan"]) for end in ends if end["role"] == "resolver"}
        pending = any(host["pending"] for host in lab.ask("/v1/hosts")[1])
        return bool(ends) and answering == {(end["host"], end["vlan"]) for end in ends} and not pending

    soon(answered, f"names are answered in {vlans}")


def interface(box: Box, name: str = "eth0") -> dict[str, Any]:
    """The container's interface: index, MAC, MTU, IPv4 address with prefix, how often its link came or went."""
    said = box.exec("sh", "-c", f"ip address show {name}; cat /sys/class/net/{name}/carrier_changes").stdout
    found = re.search(r"^(\d+): .* mtu (\d+) .*link/ether (\S+) .*inet (\S+) ", said, re.DOTALL)
    assert found, said
    return {
        "index": int(found[1]),
        "mtu": int(found[2]),
        "mac": found[3],
        "address": found[4],
        "carrier_changes": int(said.split()[-1]),
    }


def in_network_of(box: Box, *argv: str, check: bool = True) -> str:
    """What a program of the host prints in the container's network."""
    pid = box.host.exec("docker", "inspect", "--format={{.State.Pid}}", box.name).stdout.strip()
    return box.host.exec("nsenter", f"--net=/proc/{pid}/ns/net", *argv, check=check).stdout


def shaped(box: Box, name: str = "eth0") -> str:
    """The rate of the container's own shaper, as tc writes it; empty without one."""
    found = re.search(r"rate (\S+)", in_network_of(box, "tc", "class", "show", "dev", name))
    return found[1] if found else ""


def has_interface(box: Box, name: str = "eth0") -> bool:
    """Whether the container runs and has it."""
    return box.exec("ip", "link", "show", name, check=False).returncode == 0


def flows(host: Machine) -> list[str]:
    """The flows of the host's bridge, without counters."""
    said = host.exec("ovs-ofctl", "-O", "OpenFlow15", "--names", "--no-stats", "dump-flows", "br-int").stdout
    return sorted(line.strip() for line in said.splitlines() if "OFPST_FLOW" not in line)


def meters(host: Machine) -> list[str]:
    """The meters of the host's bridge."""
    said = host.exec("ovs-ofctl", "-O", "OpenFlow15", "dump-meters", "br-int").stdout
    return sorted(line for line in said.splitlines() if "OFPST_METER" not in line)


def kept(host: Machine, prefix: str) -> dict[str, Any]:
    """The records on the host's bridge whose keys begin so, by the rest of the key."""
    said = host.exec("ovs-vsctl", "br-get-external-id", "br-int").stdout.splitlines()
    records = dict(line.split("=", 1) for line in said if line.startswith(prefix))
    return {key.removeprefix(prefix): json.loads(text) for key, text in records.items()}


def leases(lab: Lab) -> set[tuple[str, str, str]]:
    """Host, subnet and block of all that the controller has leased."""
    file = f"file:{lab.controller.directory}/state.db?mode=ro"
    with closing(sqlite3.connect(file, uri=True)) as store:
        return set(store.execute("SELECT host, subnet, block FROM lease"))


def devices(host: Machine) -> list[str]:
    """The network devices of the host."""
    return sorted(link["ifname"] for link in json.loads(host.exec("ip", "-json", "link").stdout))


def database(host: Machine) -> list[str]:
    """What the host's OVSDB says of bridges, ports and interfaces that we made."""
    asked = (
        ("Bridge", "name,external_ids,ports"),
        ("Port", "name,qos,external_ids"),
        ("Interface", "name,type,options"),
    )
    dumps = [
        host.exec("ovs-vsctl", "--format=csv", "--no-headings", f"--columns={columns}", "list", table).stdout
        for table, columns in asked
    ]
    return sorted("".join(dumps).splitlines())


def standing(lab: Lab) -> dict[str, Any]:
    """All that a refusal must leave as it was."""
    seen: dict[str, Any] = {resource: lab.ask(f"/v1/{resource}")[1] for resource in ("endpoints", "policy", "networks")}
    for host in lab.hosts:
        seen[host.name] = {
            "flows": flows(host),
            "meters": meters(host),
            "devices": devices(host),
            "database": database(host),
        }
    return seen
