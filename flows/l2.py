"""L2_LOOKUP: where in this segment that MAC is.

| match                        | actions                                            |
|------------------------------|----------------------------------------------------|
| segment, eth_dst, local      | out=its port, goto OUTPUT                          |
| segment, eth_dst, far        | out=tunnel port to its host, tunnel key=segment, goto OUTPUT |
| segment, ip_dst, resolver    | eth_dst=its MAC, out=its port, goto OUTPUT         |
| eth_dst broadcast, multicast | goto FLOOD                                         |
| other                        | drop (no flow): there is nobody                    |

What came out of a tunnel never goes into one: a far destination is matched with origin=endpoint. A resolver is found by
its address, whoever's MAC is on the packet: a container whose way to other subnets is a gateway asks by that one's.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import SupportsInt

from flows.cookie import PIPELINE, Feature, pack
from flows.fields import ETH_DST, ETH_IPV4, IPV4_DST, MULTICAST, ORIGIN, OUT, TUN_ID, Origin, within
from flows.flow import Action, Flow, Goto, Set, flow
from flows.intent import Intent
from flows.model import Endpoint, Host, Role
from flows.table import Priority, Table

FROM_ENDPOINT = ORIGIN(Origin.ENDPOINT)
ON = Goto(Table.OUTPUT)
MOST_WAYS = 1 << 10  # remembered


def of_bridge(_intent: Intent, _host: Host) -> Iterator[Flow]:
    """One flow for multicast."""
    yield flow(
        Table.L2_LOOKUP,
        Priority.NORMAL,
        (MULTICAST,),
        (Goto(Table.FLOOD),),
        pack(Feature.L2, PIPELINE),
    )


def of_member(endpoint: Endpoint, segment: int, host: Host) -> Iterator[Flow]:
    """One flow, if it is here or there is a way to it."""
    if endpoint.role is Role.RESOLVER:
        if endpoint.key.host == host.name and endpoint.address is not None:
            yield _by_address(endpoint, segment, endpoint.address)
    elif endpoint.key.host == host.name:
        yield _local(endpoint, segment)
    elif endpoint.key.host in host.tunnels and endpoint.reached_from(host.name):
        yield _far(endpoint, segment, host.tunnels[endpoint.key.host])


def _local(endpoint: Endpoint, segment: int) -> Flow:
    return flow(
        Table.L2_LOOKUP,
        Priority.NORMAL,
        (within(segment), ETH_DST(endpoint.mac)),
        (Set(OUT, endpoint.ofport), ON),
        pack(Feature.L2, endpoint.owner),
    )


def _by_address(endpoint: Endpoint, segment: int, address: SupportsInt) -> Flow:
    return flow(
        Table.L2_LOOKUP,
        Priority.EXCEPTION,
        (within(segment), ETH_IPV4, IPV4_DST(address), FROM_ENDPOINT),
        (Set(ETH_DST, endpoint.mac), Set(OUT, endpoint.ofport), ON),
        pack(Feature.L2, endpoint.owner),
    )


def _far(endpoint: Endpoint, segment: int, tunnel: int) -> Flow:
    return flow(
        Table.L2_LOOKUP,
        Priority.NORMAL,
        (within(segment), ETH_DST(endpoint.mac), FROM_ENDPOINT),
        _into(tunnel, segment),
        pack(Feature.L2, endpoint.owner),
    )


@lru_cache(MOST_WAYS)
def _into(tunnel: int, segment: int) -> tuple[Action, ...]:
    """One value for all endpoints of the segment behind the tunnel."""
    return Set(TUN_ID, segment), Set(OUT, tunnel), ON
