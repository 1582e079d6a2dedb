"""SPOOF_GUARD: an endpoint speaks for itself only. Its MAC was held against its port in CLASSIFY.

| sender            | match                                     | actions         |
|-------------------|-------------------------------------------|-----------------|
| with an address   | sender, ip, ip_src=its own                | goto RATE_LIMIT |
| with an address   | sender, arp, arp_spa and arp_sha=its own  | goto RATE_LIMIT |
| with an IPv6 one  | sender, ipv6, ipv6_src=its own            | goto RATE_LIMIT |
| router or gateway | sender                                    | goto RATE_LIMIT |
| any               | ipv6, from fe80::/64 or :: (RFC 4862)     | goto RATE_LIMIT |
| any               | other                                     | drop (no flow)  |

A link-local source is held to the prefix and not to one address: containers choose their interface identifiers in more
than one way (RFC 4291, RFC 7217). Who may say what of neighbours is decided beside this, in `nd`.
"""

from collections.abc import Iterator
from ipaddress import IPv6Address

from flows.cookie import PIPELINE, Feature, pack
from flows.fields import ARP_SHA, ARP_SPA, ETH_ARP, ETH_IPV4, ETH_IPV6, IPV4_SRC, IPV6_SRC, SENDER, Term
from flows.flow import Flow, Goto, flow
from flows.intent import Intent
from flows.model import Endpoint, Host, Role
from flows.table import Priority, Table

LINK_LOCAL = IPV6_SRC(IPv6Address("fe80::"), IPv6Address("ffff:ffff:ffff:ffff::"))
UNSPECIFIED = IPV6_SRC(IPv6Address("::"))
ON = (Goto(Table.RATE_LIMIT),)


def of_local(endpoint: Endpoint) -> Iterator[Flow]:
    """Two flows for an endpoint with an address, one more if it has an IPv6 one; one for a router."""
    cookie = pack(Feature.SPOOF_GUARD, endpoint.owner)
    if endpoint.role in (Role.ROUTER, Role.GATEWAY):
        yield flow(Table.SPOOF_GUARD, Priority.EXCEPTION, (SENDER(endpoint.owner),), ON, cookie)
        return
    for match in _allowed(endpoint):
        yield _pass(match, cookie)


def of_bridge(_intent: Intent, _host: Host) -> Iterator[Flow]:
    """Two flows for all."""
    for source in (LINK_LOCAL, UNSPECIFIED):
        yield _pass((ETH_IPV6, source), pack(Feature.SPOOF_GUARD, PIPELINE))


def _allowed(endpoint: Endpoint) -> Iterator[tuple[Term, ...]]:
    sender = SENDER(endpoint.owner)
    if endpoint.address is not None:
        yield (sender, ETH_IPV4, IPV4_SRC(endpoint.address))
        yield (sender, ETH_ARP, ARP_SPA(endpoint.address), ARP_SHA(endpoint.mac))
    if endpoint.address6 is not None:
        yield (sender, ETH_IPV6, IPV6_SRC(endpoint.address6))


def _pass(match: tuple[Term, ...], cookie: int) -> Flow:
    return flow(Table.SPOOF_GUARD, Priority.NORMAL, match, ON, cookie)
