"""What there is on all hosts, as the controller has it: `endpoints`, `hosts`, `networks`, `topology`."""

from operator import itemgetter
from typing import Any
from urllib.parse import quote

import click

from scripts.cli.complete import host_names
from scripts.cli.group import command
from scripts.cli.output import changed, shown
from scripts.cli.params import output_option
from scripts.cli.tables import table
from scripts.cli.where import controller

Entry = dict[str, Any]
SHOWN = ("host", "name", "interface", "address", "network", "vlan", "up", "down")  # of an endpoint


@command("endpoints", "endpoints", "endpoints -o json")
@output_option
def endpoints(output: str) -> None:
    """List the containers' interfaces on all hosts."""
    answer = controller().ask("GET", "/v1/endpoints", doing="the endpoints")
    shown(answer, output, _endpoints)


@command("hosts", "hosts", "hosts -o json")
@output_option
def hosts(output: str) -> None:
    """List the hosts, and who of them is connected."""
    answer = controller().ask("GET", "/v1/hosts", doing="the hosts")
    titles = ("HOST", "VTEP", "SWITCH", "HELPER", "LINKS", "ENDPOINTS", "STATE")
    shown(answer, output, lambda found: table(titles, map(_host_row, found)))


@command("networks", "networks", "networks -o json")
@output_option
def networks(output: str) -> None:
    """List the networks, with VLAN, VNI and subnet."""
    answer = controller().ask("GET", "/v1/networks", doing="the networks")
    titles = ("NETWORK", "VLAN", "VNI", "SUBNET", "GATEWAY", "ENDPOINTS")
    shown(answer, output, lambda found: table(titles, map(_network_row, found)))


@command("topology", "topology", "topology -o json")
@output_option
def topology(output: str) -> None:
    """Show which hosts are linked, and by which tunnel."""
    answer = controller().ask("GET", "/v1/topology", doing="the topology")
    shown(answer, output, _links)


@command("forget-host", "forget-host host2", "forget-host host2 -o json")
@click.argument("name", shell_complete=host_names)
@output_option
def forget_host(name: str, output: str) -> None:
    """Forget a host that is gone for good.

    The host NAME and its endpoints are no longer there for anybody. Refused while its switch or helper is connected. A
    host that is only away needs nothing: it is waited for.
    """
    answer = controller().ask("DELETE", f"/v1/hosts/{quote(name, safe='')}", doing=f"{name} to be forgotten")
    changed(answer, output, f"{name} is forgotten")


def _endpoints(answered: list[Entry]) -> str:
    found = sorted(answered, key=itemgetter("host", "name", "interface"))
    if any(endpoint["ports"] for endpoint in found):
        rows = ((*_endpoint_row(endpoint), ", ".join(endpoint["ports"])) for endpoint in found)
        return table((*map(str.upper, SHOWN), "STATE", "PORTS"), rows)
    return table((*map(str.upper, SHOWN), "STATE"), map(_endpoint_row, found))


def _endpoint_row(endpoint: Entry) -> tuple[object, ...]:
    why = f": {endpoint['why']}" if endpoint["why"] else ""
    return (*map(_both(endpoint, "address").__getitem__, SHOWN), endpoint["state"] + why)


def _host_row(host: Entry) -> tuple[object, ...]:
    state = "; ".join(host["errors"]) or ("pending" if host["pending"] else "in force")
    links = ", ".join(link["peer"] for link in host["links"])
    return (host["name"], host["vtep"], host["switch"], host["helper"], links, host["endpoints"], state)


def _network_row(network: Entry) -> tuple[object, ...]:
    kept = ("name", "vlan", "vni", "subnet", "gateway")
    return (*map(_both(network, "subnet", "gateway").__getitem__, kept), len(network["endpoints"]))


def _both(entry: Entry, *keys: str) -> Entry:
    """The entry with what it has of IPv6 beside these."""
    return entry | {key: ", ".join(filter(None, (entry[key], entry.get(f"{key}6")))) for key in keys}


def _links(topology: Entry) -> str:
    vteps = {host["name"]: host["vtep"] for host in topology["hosts"]}
    rows = ((link["a"], vteps[link["a"]], link["tunnel"], link["b"], vteps[link["b"]]) for link in topology["links"])
    return table(("HOST", "VTEP", "TUNNEL", "HOST", "VTEP"), rows)
