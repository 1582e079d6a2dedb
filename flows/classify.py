"""CLASSIFY: who sent this, and in which segment it is.

| from     | match            | actions                                                                    |
|----------|------------------|----------------------------------------------------------------------------|
| endpoint | in_port, eth_src | segment=its own, sender=its id, origin=endpoint, goto SPOOF_GUARD          |
| tunnel   | in_port          | segment=tunnel key, origin=tunnel, goto COMPANY                            |
| other    |                  | drop (no flow)                                                             |

An endpoint is known by its port *and* its MAC: several may share the port of a joined Linux bridge. The flow of an
endpoint is the only one that says in which segment it sends, so replacing it is what moves a container.
"""

from collections.abc import Iterator

from flows.cookie import Feature, pack
from flows.fields import ETH_SRC, IN_PORT, ORIGIN, SEGMENT, SENDER, TUN_ID, Origin
from flows.flow import Flow, Goto, Move, Set, flow
from flows.intent import Intent
from flows.model import Endpoint, Host
from flows.table import Priority, Table

FROM_ENDPOINT = (Set(ORIGIN, Origin.ENDPOINT), Goto(Table.SPOOF_GUARD))
FROM_TUNNEL = (Move(TUN_ID, SEGMENT, SEGMENT.bits), Set(ORIGIN, Origin.TUNNEL), Goto(Table.COMPANY))


def of_local(endpoint: Endpoint) -> Iterator[Flow]:
    """One flow."""
    yield flow(
        Table.CLASSIFY,
        Priority.NORMAL,
        (IN_PORT(endpoint.ofport), ETH_SRC(endpoint.mac)),
        (Set(SEGMENT, endpoint.segment), Set(SENDER, endpoint.owner), *FROM_ENDPOINT),
        pack(Feature.CLASSIFY, endpoint.owner),
    )


def of_bridge(intent: Intent, host: Host) -> Iterator[Flow]:
    """One flow per tunnel port."""
    for peer, ofport in sorted(host.tunnels.items()):
        if peer in intent.hosts:
            yield flow(
                Table.CLASSIFY,
                Priority.NORMAL,
                (IN_PORT(ofport),),
                FROM_TUNNEL,
                pack(Feature.CLASSIFY, intent.hosts[peer].owner),
            )
