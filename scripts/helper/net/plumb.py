"""Devices of endpoints: veth pairs into namespaces, addresses, routes, Linux bridges. Netlink only; nothing is forked.

Each function does the whole or nothing: what it began is undone when it fails. PlumbError says why, for people.
"""

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface
from itertools import count
from typing import NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from flows.model import Mac
from scripts.helper.net import links
from scripts.helper.net.netns import PlumbError, in_words, inside, opened, within
from scripts.helper.net.rtnetlink import Rtnetlink

__all__ = [
    "BridgeAddresses",
    "PlumbError",
    "TakenError",
    "Underlay",
    "address_device",
    "address_in",
    "bridge_addresses",
    "bridge_of",
    "bridge_port",
    "fit",
    "free_interface",
    "interfaces",
    "make",
    "plug",
    "set_mtu",
    "underlay",
    "unplug",
    "veth",
    "veth_to_give",
]


class TakenError(PlumbError):
    """The container has an interface of this name already."""


def plug(
    netns: str,
    host_end: str,
    *,
    interface: str,
    mac: Mac,
    address: IPv4Interface | None,
    mtu: int,
    gateway: IPv4Address | None,
    address6: IPv6Interface | None = None,
    gateway6: IPv6Address | None = None,
) -> None:
    """Give the namespace an interface, up and with its addresses, whose other end is the device `host_end` here.

    `mtu` in bytes.
    """
    with ExitStack() as undo:
        make(netns, host_end, interface, mac, mtu)
        undo.callback(unplug, host_end)
        address_in(netns, interface, address, mtu, gateway, address6, gateway6)
        undo.pop_all()


def make(netns: str, host_end: str, interface: str, mac: Mac, mtu: int) -> None:
    """The pair alone, `mtu` in bytes: both ends up, the interface straight in the namespace, without an address.

    Up already: the kernel takes an end into use a moment after the other one is up, and would drop what the interface
    says first, or hears. Without an address it says no more than that it is there, where IPv6 is on.
    """
    with ExitStack() as undo, opened(netns) as fd, Rtnetlink() as kernel:
        try:
            kernel.add_veth(interface, mac, fd, host_end, mtu)
        except OSError as error:
            if error.errno == errno.EEXIST and interface in interfaces(netns):
                raise TakenError(
                    f"There is an interface “{interface}” in that container already. Choose another name."
                ) from error
            with in_words(f"Making the interface “{interface}” with MTU {mtu} and its host end “{host_end}” failed"):
                raise
        undo.callback(unplug, host_end)
        with in_words(f"Preparing “{host_end}” for the bridge failed"):
            links.up_for_the_bridge_only(host_end)
        undo.pop_all()


def address_in(
    netns: str,
    interface: str,
    address: IPv4Interface | None,
    mtu: int,
    gateway: IPv4Address | None,
    address6: IPv6Interface | None = None,
    gateway6: IPv6Address | None = None,
) -> None:
    """Give an interface that was made its MTU (bytes), addresses and routes. What fails is the caller's to undo."""

    def work() -> None:
        index = _need(interface, f"in “{netns}”")
        links.transmit_checksums_off(interface)
        with Rtnetlink() as kernel:
            kernel.set_mtu(index, mtu)
            if address:
                kernel.add_address(index, address)
            if address6:
                links.forget_addresses6(interface)
                links.addresses_as_given(interface)
                links.add_address6(index, address6)
            if gateway:
                _default_route(kernel, index, address, gateway)
            if gateway6:
                _default_route(kernel, index, address6, gateway6)

    with opened(netns) as fd, in_words(f"Giving the interface “{interface}” in “{netns}” its address failed"):
        within(fd, work)


def _default_route(
    kernel: Rtnetlink,
    index: int,
    address: IPv4Interface | IPv6Interface | None,
    gateway: IPv4Address | IPv6Address,
) -> None:
    try:
        kernel.add_default_route(index, gateway)
    except OSError as error:
        if error.errno == errno.EEXIST:
            raise PlumbError("That container has a default route already. Connect it without a gateway.") from error
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            raise PlumbError(
                f"The gateway “{gateway}” is not to be reached from “{address}”. Give one that is in that subnet."
            ) from error
        raise


def unplug(host_end: str) -> None:
    """Take the veth away, both its ends; no error if it is gone (its container may have taken it along)."""
    with IPRoute() as ipr, in_words(f"Removing the device “{host_end}” failed"):
        index = links.find(host_end)
        if index is None:
            return
        try:
            ipr.link("del", index=index)
        except NetlinkError as error:
            if error.code != errno.ENODEV:
                raise


def fit(netns: str, interface: str, host_end: str, mtu: int) -> None:
    """Both ends of the container's veth have this MTU (bytes). Idempotent.

    An end drops what is larger than its own MTU, so the host's end is never the smaller one, not even for a moment.
    """
    what = f"Giving “{interface}” in “{netns}” the MTU {mtu} failed"
    with opened(netns) as fd, IPRoute() as ipr, in_words(what):
        _set_mtu(ipr, host_end, mtu, raise_only=True)
        inside(fd, lambda there: _set_mtu(there, interface, mtu))
        _set_mtu(ipr, host_end, mtu)


def add_address(device: str, address: IPv4Interface) -> None:
    """The device of this host has this address, besides others. Idempotent."""
    with IPRoute() as ipr, in_words(f"Giving “{device}” the address {address} failed"):
        ipr.addr("replace", index=_need(device), address=str(address.ip), prefixlen=address.network.prefixlen)


def set_mtu(device: str, mtu: int) -> None:
    """The device of this host has this MTU (bytes). Idempotent."""
    with IPRoute() as ipr, in_words(f"Giving “{device}” the MTU {mtu} failed"):
        _set_mtu(ipr, device, mtu)


def interfaces(netns: str) -> tuple[str, ...]:
    """All devices of the namespace."""
    with opened(netns) as fd, in_words(f"Reading the interfaces of “{netns}” failed"):
        return within(fd, links.names)


def free_interface(netns: str) -> str:
    """The first of eth0, eth1, ... that the namespace has not."""
    taken = set(interfaces(netns))
    return next(name for number in count() if (name := f"eth{number}") not in taken)


class Underlay(NamedTuple):
    """What this host has towards the others: the device with the tunnels' address, and what it is connected with."""

    device: str
    mtu: int  # bytes
    subnet: IPv4Network
    lone: bool  # it has no other IPv4 address


def underlay(vtep: IPv4Address) -> Underlay:
    """The underlay at this address; PlumbError if no device has it."""
    with IPRoute() as ipr, in_words(f"Looking for the device with the address “{vtep}” failed"):
        for found in ipr.get_addr(address=str(vtep)):
            link = ipr.link("get", index=found["index"])[0]
            subnet = IPv4Interface(f"{vtep}/{found['prefixlen']}").network
            lone = len(list(ipr.get_addr(index=found["index"], family=socket.AF_INET))) == 1
            return Underlay(str(link.get("ifname")), int(link.get("mtu")), subnet, lone)
    raise PlumbError(
        f"No device of this host has the address “{vtep}”. Set `vtep` in the helper's configuration to one that it has."
    )


def bridge_port(bridge: str, device: str) -> None:
    """Put a device into a Linux bridge."""
    with IPRoute() as ipr, in_words(f"Putting “{device}” into the bridge “{bridge}” failed"):
        ipr.link("set", index=_need(device), master=_need_bridge(ipr, bridge))


def bridge_of(device: str) -> str | None:
    """The Linux bridge that this device of the host is in; None if it is in none, or not there."""
    with IPRoute() as ipr, in_words(f"Looking where “{device}” is failed"):
        index = links.find(device)
        master = ipr.link("get", index=index)[0].get("master") if index else None
        return socket.if_indextoname(master) if master else None


class BridgeAddresses(NamedTuple):
    """What a Linux bridge is reached by itself."""

    mac: Mac
    address: IPv4Interface | None
    address6: IPv6Interface | None


def bridge_addresses(bridge: str) -> BridgeAddresses:
    """The MAC of a Linux bridge, and the first address of each kind that it has for good."""
    with IPRoute() as ipr, in_words(f"Reading the bridge “{bridge}” failed"):
        index = _need_bridge(ipr, bridge)
        mac = Mac.parse(ipr.link("get", index=index)[0].get("address"))
        return BridgeAddresses(mac, links.address(ipr, index), links.address6(ipr, index))


def veth(a: str, b: str, mtu: int) -> None:
    """A pair of devices on this host, both up; `mtu` in bytes."""
    with ExitStack() as undo, IPRoute() as ipr, in_words(f"Making the pair “{a}” and “{b}” with MTU {mtu} failed"):
        ipr.link("add", ifname=a, kind="veth", mtu=mtu, peer={"ifname": b, "mtu": mtu})
        undo.callback(unplug, a)
        for end in (a, b):
            links.transmit_checksums_off(end)
            links.up_for_the_bridge_only(end)
        undo.pop_all()


def veth_to_give(outer: str, inner: str, mac: Mac, mtu: int) -> None:
    """A pair whose inner end somebody else moves into a container, and brings up there; `mtu` in bytes.

    MAC, MTU and offloads go along with the move; nobody sets them afterwards.
    """
    with ExitStack() as undo, IPRoute() as ipr, in_words(f"Making “{inner}” with MTU {mtu} for a container failed"):
        ipr.link("add", ifname=outer, kind="veth", mtu=mtu, peer={"ifname": inner, "address": str(mac), "mtu": mtu})
        undo.callback(unplug, outer)
        links.transmit_checksums_off(inner)
        links.transmit_checksums_off(outer)
        links.up_for_the_bridge_only(outer)
        undo.pop_all()


def address_device(
    name: str, addresses: Sequence[IPv4Interface], mac: Mac, mtu: int, address6: IPv6Interface | None = None
) -> None:
    """The device is up with this MAC and MTU (bytes), and with these addresses and no others. Idempotent."""
    with IPRoute() as ipr, in_words(f"Giving “{name}” the address “{addresses[0]}” failed"):
        link = ipr.link("get", index=_need(name))[0]
        index = link["index"]
        if link.get("address") != str(mac):
            ipr.link("set", index=index, address=str(mac))
        ipr.link("set", index=index, mtu=mtu, state="up")
        wanted = [(str(address.ip), address.network.prefixlen) for address in addresses]
        for found in ipr.get_addr(index=index, family=2):
            have = (found.get("address"), found["prefixlen"])
            if have not in wanted:
                ipr.addr("del", index=index, address=have[0], prefixlen=have[1])
        for ip, length in wanted:
            ipr.addr("replace", index=index, address=ip, prefixlen=length)
        for found in ipr.get_addr(index=index, family=socket.AF_INET6, scope=links.GLOBAL_SCOPE):
            if address6 is None or IPv6Interface(f"{found.get('address')}/{found['prefixlen']}") != address6:
                ipr.addr("del", index=index, address=found.get("address"), prefixlen=found["prefixlen"])
        if address6 is not None:
            links.addresses_as_given(name)
            links.add_address6(index, address6)


def _set_mtu(ipr: IPRoute, name: str, mtu: int, *, raise_only: bool = False) -> None:
    index = _need(name)
    now = ipr.link("get", index=index)[0].get("mtu")
    if now < mtu or (now > mtu and not raise_only):
        ipr.link("set", index=index, mtu=mtu)


def _need(name: str, where: str = "on this host") -> int:
    index = links.find(name)
    if index is None:
        raise PlumbError(f"There is no device “{name}” {where}.")
    return index


def _need_bridge(ipr: IPRoute, name: str) -> int:
    index = _need(name)
    if ipr.link("get", index=index)[0].get(("linkinfo", "kind")) != "bridge":
        raise PlumbError(f"“{name}” is not a Linux bridge. Name one as `ip link show type bridge` lists it.")
    return index
