"""ARP_RESPONDER: who-has for an endpoint that is known is answered here, at the bridge of the one who asks.

| match                             | actions                                           |
|-----------------------------------|---------------------------------------------------|
| segment, arp request for its IP   | turned into the reply (RFC 826), sent back        |
| the same, from its own port       | drop: on a joined Linux bridge it is heard there  |
| other                             | goto L2_LOOKUP                                    |

A request for an address that nobody has goes on and is flooded, as on a LAN. An answer to who is behind the same Linux
bridge would teach that bridge that the one who was asked for is on this side of it, where he is not.
"""

from collections.abc import Iterator
from typing import SupportsInt

from flows.cookie import PIPELINE, Feature, pack
from flows.fields import (
    ARP_OP,
    ARP_REPLY,
    ARP_REQUEST,
    ARP_SHA,
    ARP_SPA,
    ARP_THA,
    ARP_TPA,
    ETH_ARP,
    ETH_DST,
    ETH_SRC,
    IN_PORT,
    within,
)
from flows.flow import IN_PORT_NUMBER, Action, Flow, Goto, Move, Output, Set, flow
from flows.intent import Intent
from flows.model import Endpoint, Host, Mac
from flows.table import Priority, Table

REQUEST = ARP_OP(ARP_REQUEST)
AS_REPLY = Set(ARP_OP, ARP_REPLY)
TO_THE_ONE_WHO_ASKED = Move(ETH_SRC, ETH_DST, ETH_SRC.bits)
HIS_MAC = Move(ARP_SHA, ARP_THA, ARP_SHA.bits)
HIS_ADDRESS = Move(ARP_SPA, ARP_TPA, ARP_SPA.bits)
BACK = Output(IN_PORT_NUMBER)


def of_bridge(_intent: Intent, _host: Host) -> Iterator[Flow]:
    """One flow for what is not answered."""
    yield flow(Table.ARP_RESPONDER, Priority.MISS, (), (Goto(Table.L2_LOOKUP),), pack(Feature.ARP, PIPELINE))


def of_member(endpoint: Endpoint, segment: int, host: Host) -> Iterator[Flow]:
    """One flow, if it has an address and is reached from here; one more behind a Linux bridge joined here."""
    if endpoint.address is None or not endpoint.reached_from(host.name):
        return
    asked = (within(segment), ETH_ARP, REQUEST, ARP_TPA(endpoint.address))
    reply, cookie = _reply(endpoint.mac, endpoint.address), pack(Feature.ARP, endpoint.owner)
    yield flow(Table.ARP_RESPONDER, Priority.NORMAL, asked, reply, cookie)
    if endpoint.behind and endpoint.key.host == host.name:
        yield flow(Table.ARP_RESPONDER, Priority.SUSPECT, (IN_PORT(endpoint.ofport), *asked), (), cookie)


def _reply(mac: Mac, address: SupportsInt) -> tuple[Action, ...]:
    return (
        TO_THE_ONE_WHO_ASKED,
        Set(ETH_SRC, mac),
        AS_REPLY,
        HIS_MAC,
        Set(ARP_SHA, mac),
        HIS_ADDRESS,
        Set(ARP_SPA, int(address)),
        BACK,
    )
