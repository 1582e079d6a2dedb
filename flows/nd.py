"""ND: who speaks for an IPv6 address is held to its own (RFC 4861), and who asks for one is answered at its own bridge.

| table         | match                                                         | actions                              |
|---------------|---------------------------------------------------------------|--------------------------------------|
| SPOOF_GUARD   | sender, solicitation from its own address with its own MAC    | goto RATE_LIMIT                      |
| SPOOF_GUARD   | sender, advertisement of its own address with its own MAC     | goto RATE_LIMIT                      |
| SPOOF_GUARD   | segment, solicitation from fe80::/64 or ::                    | goto RATE_LIMIT                      |
| SPOOF_GUARD   | segment, advertisement of and from fe80::/64                  | goto RATE_LIMIT                      |
| SPOOF_GUARD   | segment, any other of these, router's advertisement, redirect | drop                                 |
| ARP_RESPONDER | segment, solicitation for an endpoint's address               | as an advertisement, goto ADVERTISE  |
| ARP_RESPONDER | the same, from its own port                                   | drop: see `arp`                      |
| ARP_RESPONDER | segment, solicitation from ::                                 | goto L2_LOOKUP                       |
| ADVERTISE     | segment, advertisement                                        | with its MAC, sent back              |

A solicitation from :: asks whether an address is free (RFC 4862), so it goes to who has it. An advertisement says a MAC
in another option than a solicitation, and Open vSwitch lets only a flow that matches an advertisement set that: hence
the second table. Only segments in which somebody has an IPv6 address have such flows.
"""

from collections.abc import Iterator
from ipaddress import IPv6Address

from flows.cookie import Feature, pack
from flows.fields import (
    ETH_DST,
    ETH_IPV6,
    ETH_SRC,
    ICMPV6_TYPE,
    IN_PORT,
    IP_ICMPV6,
    IPV6_DST,
    IPV6_SRC,
    ND_OPTIONS_TYPE,
    ND_RESERVED,
    ND_SLL,
    ND_TARGET,
    ND_TLL,
    SENDER,
    Term,
    within,
)
from flows.flow import IN_PORT_NUMBER, Action, Flow, Goto, Move, Output, Set, flow
from flows.intent import Intent
from flows.model import Endpoint, Host, Role
from flows.table import Priority, Table

ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT = 134, 135, 136, 137  # RFC 4861, 4.2 to 4.5
TARGET_MAC = 2  # number of the option, RFC 4861, 4.6.1
FROM_ROUTER, SOLICITED, OVERRIDE = 1 << 31, 1 << 30, 1 << 29  # RFC 4861, 4.4

LINK_LOCAL = IPv6Address("fe80::"), IPv6Address("ffff:ffff:ffff:ffff::")
UNSPECIFIED = IPV6_SRC(IPv6Address("::"))
ICMPV6 = (ETH_IPV6, IP_ICMPV6)
ON = (Goto(Table.RATE_LIMIT),)

AS_ADVERTISEMENT = Set(ICMPV6_TYPE, ADVERTISEMENT)
TO_THE_ONE_WHO_ASKED = (Move(ETH_SRC, ETH_DST, ETH_SRC.bits), Move(IPV6_SRC, IPV6_DST, IPV6_SRC.bits))
SAY_THE_MAC = (Set(ND_OPTIONS_TYPE, TARGET_MAC), Move(ETH_SRC, ND_TLL, ETH_SRC.bits))
BACK = Output(IN_PORT_NUMBER)


def of_local(endpoint: Endpoint) -> Iterator[Flow]:
    """Two flows for an endpoint with an IPv6 address."""
    if endpoint.address6 is None or endpoint.role is not Role.CONTAINER:
        return
    own = (SENDER(endpoint.owner), *ICMPV6, IPV6_SRC(endpoint.address6))
    cookie = pack(Feature.ND, endpoint.owner)
    yield _pass((*own, ICMPV6_TYPE(SOLICITATION), ND_SLL(endpoint.mac)), cookie)
    yield _pass((*own, ICMPV6_TYPE(ADVERTISEMENT), ND_TARGET(endpoint.address6), ND_TLL(endpoint.mac)), cookie)


def of_member(endpoint: Endpoint, segment: int, host: Host) -> Iterator[Flow]:
    """One flow, if it has an IPv6 address and is reached from here; one more behind a Linux bridge joined here."""
    if endpoint.address6 is None or not endpoint.reached_from(host.name):
        return
    asked = (within(segment), *ICMPV6, ICMPV6_TYPE(SOLICITATION), ND_TARGET(endpoint.address6))
    answer, cookie = _advertisement(endpoint, endpoint.address6), pack(Feature.ND, endpoint.owner)
    yield flow(Table.ARP_RESPONDER, Priority.NORMAL, asked, answer, cookie)
    if endpoint.behind and endpoint.key.host == host.name:
        yield flow(Table.ARP_RESPONDER, Priority.SUSPECT, (IN_PORT(endpoint.ofport), *asked), (), cookie)


def of_segment(intent: Intent, segment: int, _host: Host) -> Iterator[Flow]:
    """Nine flows, if anybody there has an IPv6 address."""
    if all(member.address6 is None for member in intent.in_segment(segment)):
        return
    here, cookie = (within(segment), *ICMPV6), pack(Feature.ND, intent.networks[segment].owner)
    asking, telling = ICMPV6_TYPE(SOLICITATION), ICMPV6_TYPE(ADVERTISEMENT)
    for kind in (ROUTER_ADVERTISEMENT, SOLICITATION, ADVERTISEMENT, REDIRECT):
        yield flow(Table.SPOOF_GUARD, Priority.SUSPECT, (*here, ICMPV6_TYPE(kind)), (), cookie)
    yield _pass((*here, asking, IPV6_SRC(*LINK_LOCAL)), cookie)
    yield _pass((*here, asking, UNSPECIFIED), cookie)
    yield _pass((*here, telling, IPV6_SRC(*LINK_LOCAL), ND_TARGET(*LINK_LOCAL)), cookie)
    free = (*here, asking, UNSPECIFIED)
    yield flow(Table.ARP_RESPONDER, Priority.EXCEPTION, free, (Goto(Table.L2_LOOKUP),), cookie)
    yield flow(Table.ADVERTISE, Priority.NORMAL, (*here, telling), (*SAY_THE_MAC, BACK), cookie)


def _pass(match: tuple[Term, ...], cookie: int) -> Flow:
    return flow(Table.SPOOF_GUARD, Priority.EXCEPTION, match, ON, cookie)


def _advertisement(endpoint: Endpoint, address: IPv6Address) -> tuple[Action, ...]:
    flags = SOLICITED | OVERRIDE | (FROM_ROUTER if endpoint.role in (Role.ROUTER, Role.GATEWAY) else 0)
    return (
        *TO_THE_ONE_WHO_ASKED,
        Set(ETH_SRC, endpoint.mac),
        Set(IPV6_SRC, int(address)),
        AS_ADVERTISEMENT,
        Set(ND_RESERVED, flags),
        Goto(Table.ADVERTISE),
    )
