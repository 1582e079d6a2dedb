"""A container that Docker itself gave its interface: it is found by its MAC, and made to fit the network."""

import errno
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from flows.model import Mac
from scripts.helper.net import links
from scripts.helper.net.netns import in_words, inside, opened

MAIN = 254  # linux/rtnetlink.h: RT_TABLE_MAIN
NUD_PERMANENT = 0x80  # linux/neighbour.h


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a veth: the name in the container, the name on the host (None if it was not found)."""

    interface: str
    host_end: str | None


def fit(netns: str, mac: str, mtu: int) -> Ends:
    """The interface with this MAC, with an MTU (bytes) that goes through the tunnels; PlumbError.

    A bridge drops in silence what is larger, so both ends are lowered, as no router is there to say so.
    """

    def lower(ipr: IPRoute) -> tuple[str, int | None]:
        for link in ipr.get_links():
            if link.get("address") == mac.lower():
                _lower(ipr, link, mtu)
                return str(link.get("ifname")), link.get("link")
        raise LookupError

    with opened(netns) as fd, IPRoute() as ipr, in_words(f"Fitting the interface with the MAC {mac} failed"):
        try:
            interface, peer = inside(fd, lower)
        except LookupError as error:
            raise OSError(6, "there is none") from error
        link = ipr.link("get", index=peer)[0] if peer else None
        if link:
            _lower(ipr, link, mtu)
        return Ends(interface, link and str(link.get("ifname")))


def lead(netns: str, interface: str, address: IPv4Address, *, wanted: bool = True) -> None:
    """This address is reached by this interface if the container has no default route, else by that; PlumbError.

    Another interface that leads there already goes on to do so. If it is not `wanted`, this one does not lead there.
    Its MAC is given along: behind a Linux bridge the host would answer who asks for that. Idempotent; also without such
    an interface.
    """

    def settle(ipr: IPRoute) -> None:
        index = links.find(interface)
        if index is None:
            return
        routed = any(not found["dst_len"] for found in ipr.get_routes(family=socket.AF_INET, table=MAIN))
        add = wanted and not routed
        try:
            ipr.route("add" if add else "del", dst=f"{address}/32", oif=index, scope="link")
            known = {"dst": str(address), "lladdr": str(Mac.of(address)), "ifindex": index, "state": NUD_PERMANENT}
            ipr.neigh("replace" if add else "del", **known)
        except NetlinkError as error:
            if error.code not in (errno.EEXIST, errno.ESRCH, errno.ENOENT):
                raise

    with opened(netns) as fd, in_words(f"Leading “{interface}” of a container to {address} failed"):
        inside(fd, settle)


def _lower(ipr: IPRoute, link: object, mtu: int) -> None:
    if link.get("mtu") > mtu:  # type: ignore[attr-defined]
        ipr.link("set", index=link["index"], mtu=mtu)  # type: ignore[index]
