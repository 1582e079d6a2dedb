"""A container that Docker itself put on a bridge: its interface is found by its MAC, and made to fit the tunnel."""

from dataclasses import dataclass

from pyroute2 import IPRoute

from scripts.helper.net.netns import in_words, inside, opened


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


def _lower(ipr: IPRoute, link: object, mtu: int) -> None:
    if link.get("mtu") > mtu:  # type: ignore[attr-defined]
        ipr.link("set", index=link["index"], mtu=mtu)  # type: ignore[index]
