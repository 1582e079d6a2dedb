"""A container's interface, made by hand: the same few commands for every peer that has none of its own."""

from functools import cache

from scripts.lab.measure import Box
from scripts.lab.udp import network_of

MTU = 1450


def mac(address: str) -> str:
    """A MAC for this address (with or without its prefix), locally administered."""
    octets = address.partition("/")[0].split(".")
    return "02:c7:" + ":".join(f"{int(octet):02x}" for octet in octets)


def port(box: Box) -> str:
    """The host's end."""
    return f"v-{box.name}"


@cache
def network(box: Box) -> str:
    """Its network namespace; asked before the time runs, as who writes commands by hand would know it."""
    return network_of(box)


def plug(box: Box, address: str) -> str:
    """Shell words: a veth pair, its other end the container's eth0 with this address, checksums in software."""
    return (
        f"net={network(box)}; "
        f"ip link add {port(box)} type veth peer name eth0 address {mac(address)} mtu {MTU} netns $net; "
        f"ip link set {port(box)} up; "
        f"nsenter --net=$net ip -batch - <<END\naddress add {address} dev eth0\nlink set eth0 up\nEND\n"
        "nsenter --net=$net ethtool -K eth0 tx off >/dev/null"
    )
