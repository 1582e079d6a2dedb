"""FLOOD: broadcast and multicast reach every member of the segment once.

| match                    | actions                                                                   |
|--------------------------|---------------------------------------------------------------------------|
| segment, origin=endpoint | every local port, then with the tunnel key every host that has a member   |
| segment, origin=tunnel   | every local port: never tunnel to tunnel                                  |

A switch does not send a packet back out of the port that it came in by (OpenFlow 1.5, 5.8), so the sender gets none.
What is flooded does not pass the receiver's meter: one drop there would drop it for those behind it in the list. The
receiver's shaper, on the host's end of its interface, holds it to the rate all the same.
"""

from collections.abc import Iterator
from functools import lru_cache

from flows.cookie import Feature, pack
from flows.fields import ORIGIN, TUN_ID, Origin, within
from flows.flow import Action, Flow, Output, Set, flow
from flows.intent import Intent
from flows.model import Host, Role
from flows.table import Priority, Table


def of_segment(intent: Intent, segment: int, host: Host) -> Iterator[Flow]:
    """Two flows; the ports in the order of their numbers."""
    members = intent.members[segment]
    # A resolver needs none: who asks for its MAC is answered by the switch.
    local = sorted({member.ofport for member in members.get(host.name, ()) if member.role is not Role.RESOLVER})
    # Gateways and resolvers are everybody's own: a host with nothing else in the segment has no use for a copy.
    hosts = {name for name, there in members.items() if not all(member.role.everywhere for member in there)}
    tunnels = sorted(port for peer, port in host.tunnels.items() if peer in hosts)
    here: tuple[Action, ...] = tuple(map(_to, local))
    there: tuple[Action, ...] = (Set(TUN_ID, segment), *map(_to, tunnels)) if tunnels else ()
    owner = intent.networks[segment].owner
    for origin, actions in ((Origin.ENDPOINT, here + there), (Origin.TUNNEL, here)):
        yield flow(
            Table.FLOOD,
            Priority.NORMAL,
            (within(segment), ORIGIN(origin)),
            actions,
            pack(Feature.FLOOD, owner),
        )


@lru_cache(1 << 14)
def _to(ofport: int) -> Output:
    """One value for all segments that the port is of."""
    return Output(ofport)
