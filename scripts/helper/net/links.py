"""Network devices, one at a time: found by name, their offloads, the address they have.

All functions work in the namespace of the socket that they are given, or of their thread. The kernel's refusals come as
NetlinkError or OSError: the callers know what was being done, and say so.
"""

import ctypes
import fcntl
import os
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

from pyroute2 import IPRoute

from scripts.helper.net.rtnetlink import IFF_UP, Rtnetlink

IFF_NOARP = 0x80  # linux/if.h
UP_FOR_THE_BRIDGE = IFF_UP | IFF_NOARP
IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_PERMANENT = 0x2, 0x8, 0x80  # linux/if_addr.h
GLOBAL_SCOPE = 0  # linux/rtnetlink.h
SIOCETHTOOL = 0x8946  # linux/sockios.h
ETHTOOL_STXCSUM = 0x17  # linux/ethtool.h


def find(name: str) -> int | None:
    """The index of the device, or None."""
    try:
        return socket.if_nametoindex(name)
    except OSError:  # which says no more than that
        return None


def names() -> tuple[str, ...]:
    """All devices.

    Read from proc_net_dev(5): for the list of if_nameindex(3) the kernel takes its one lock of all networking, which
    ovs-vswitchd holds for milliseconds while it takes a port in; and Python would stop all threads meanwhile.
    """
    _, _, *lines, _ = os.fsdecode(Path("/proc/thread-self/net/dev").read_bytes()).split("\n")
    return tuple(line.partition(":")[0].lstrip(" ") for line in lines)


class Devices:
    """The devices, each looked for when it is asked for: where one or two are, that is faster than all names."""

    def __contains__(self, name: object) -> bool:
        return find(str(name)) is not None


def transmit_checksums_off(name: str) -> None:
    """Checksums of sent packets are computed here, as `ethtool -K NAME tx off` says.

    The userspace datapath reads frames from the other end of a veth as they are: without this ping works, TCP does not.
    """
    value = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_STXCSUM, 0))  # struct ethtool_value
    request = struct.pack("@16sP", name.encode(), ctypes.addressof(value))  # struct ifreq
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, request.ljust(40, b"\0"))


def up_for_the_bridge_only(name: str) -> None:
    """Bring a device up that belongs to the bridge, and deafen it before."""
    deafen(name)
    with Rtnetlink() as kernel:
        kernel.set_flags(socket.if_nametoindex(name), UP_FOR_THE_BRIDGE)


def deafen(name: str) -> None:
    """This host itself neither hears nor says anything at a device that belongs to the bridge.

    The userspace datapath reads a copy of each frame; the kernel gets the frame as well. Without this it would answer
    ARP for the addresses of the host, on every device, and containers would reach it past all flows.
    """
    for setting, value in (
        ("ipv4/conf/{}/rp_filter", "1"),  # no route leads back to this device, so nothing is let in
        ("ipv4/conf/{}/drop_unicast_in_l2_multicast", "1"),
        ("ipv6/conf/{}/disable_ipv6", "1"),
    ):
        path = Path("/proc/sys/net", setting.format(name))
        if path.exists():  # a kernel may be without IPv6
            path.write_text(value)


def address(ipr: IPRoute, index: int) -> IPv4Interface | None:
    """The device's first IPv4 address."""
    for found in ipr.get_addr(index=index, family=socket.AF_INET):
        return IPv4Interface(f"{found.get('address')}/{found['prefixlen']}")
    return None


def address6(ipr: IPRoute, index: int) -> IPv6Interface | None:
    """The device's first IPv6 address that is more than a link's, is there for good, and was found to be its own."""
    for found in ipr.get_addr(index=index, family=socket.AF_INET6, scope=GLOBAL_SCOPE):
        if found["flags"] & (IFA_F_PERMANENT | IFA_F_DADFAILED) == IFA_F_PERMANENT:
            return IPv6Interface(f"{found.get('address')}/{found['prefixlen']}")
    return None


def forget_addresses6(name: str) -> None:
    """The device has no IPv6 address, and no route that a router told it; nor may it have one."""
    Path("/proc/sys/net/ipv6/conf", name, "disable_ipv6").write_text("1")


def addresses_as_given(name: str) -> None:
    """The device may have IPv6 addresses, and has none but those that it is given: no router tells it any."""
    for setting, value in (("accept_ra", "0"), ("disable_ipv6", "0")):
        Path("/proc/sys/net/ipv6/conf", name, setting).write_text(value)


def add_address6(index: int, address: IPv6Interface) -> None:
    """Usable at once: that it is nobody else's is known, so nobody is asked (RFC 4862, 5.4). Idempotent."""
    with Rtnetlink() as kernel, suppress(FileExistsError):
        kernel.add_address(index, address, IFA_F_NODAD)
