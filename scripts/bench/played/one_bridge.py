"""An intent of which one bridge has as many flows as one likes: ten hosts, networks of 100 endpoints on the first."""

from ipaddress import IPv4Address, IPv4Interface

from flows.intent import Intent
from flows.model import Endpoint, EndpointKey, Host, Mac, Network

BRIDGE_HOST = "h1"
HOSTS = 10
HERE_OF_NETWORK = 100
SHARE = 2.5  # endpoints elsewhere for each one here


def intent(flows: int) -> Intent:
    """About so many flows on the first host's bridge."""
    here = flows // 10
    hosts = {name: _host(number, name) for number, name in enumerate(_names(), 1)}
    count = max(here // HERE_OF_NETWORK, 1)
    networks = {vni: Network(100 + vni, f"n{vni}", vni, vni) for vni in range(1, count + 1)}
    ends = [_endpoint(number, here, 1 + number % count) for number in range(here + round(SHARE * here))]
    return Intent(1, hosts, networks, {end.key: end for end in ends})


def _names() -> list[str]:
    return [f"h{number}" for number in range(1, HOSTS + 1)]


def _host(number: int, name: str) -> Host:
    tunnels = {peer: 60_000 + at for at, peer in enumerate(_names(), 1) if peer != name}
    return Host(number, name, number, IPv4Address(f"198.18.0.{number}"), tunnels)


def _endpoint(number: int, here: int, vni: int) -> Endpoint:
    host = BRIDGE_HOST if number < here else f"h{2 + number % (HOSTS - 1)}"
    address = IPv4Interface(((10 << 24) + number + 1, 8))
    key = EndpointKey(host, f"{number:064x}", "eth0")
    return Endpoint(key, 10_000 + number, f"c{number}", Mac.of(address.ip), 1 + number, vni, address)
