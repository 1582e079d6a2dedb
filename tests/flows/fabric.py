"""A few hosts' bridges as values: what would a packet meet? The oracle for the laws, in forty lines of OpenFlow."""

from collections.abc import Iterator, Mapping

from flows.fields import ETH_DST, ETH_SRC, ETH_TYPE, IN_PORT, IPV4_SRC, IPV6_SRC, SEGMENT, TUN_ID, Field
from flows.flow import Contents, Flow, Goto, Move, Output, OutputBy, Set
from flows.intent import Intent
from flows.model import Endpoint
from flows.table import Table

BROADCAST = (1 << 48) - 1
Packet = dict[Field, int]


def outputs(contents: Contents, packet: Packet) -> Iterator[tuple[int, Packet]]:
    """Where the packet leaves a bridge, and as what."""
    table: Table | None = Table.CLASSIFY
    tables: dict[Table, list[Flow]] = {}
    for flow in contents.flows.values():
        tables.setdefault(flow.table, []).append(flow)
    while table is not None:
        found = [flow for flow in tables.get(table, ()) if _matches(flow, packet)]
        table = None
        if found:
            best = max(found, key=lambda flow: flow.priority)
            assert sum(flow.priority == best.priority for flow in found) == 1, f"ambiguous: {found}"
            for action in best.actions:
                match action:
                    case Set(field, value):
                        packet = packet | {field: value}
                    case Move(source, target, bits):
                        packet = packet | {target: packet.get(source, 0) & (1 << bits) - 1}
                    case Output(port) if port != packet[IN_PORT]:
                        yield port, packet
                    case OutputBy(register) if packet[register] != packet[IN_PORT]:
                        yield packet[register], packet
                    case Goto(next_table):
                        table = next_table


def receivers(bridges: Mapping[str, Contents], intent: Intent, sender: Endpoint, eth_dst: int) -> list[Endpoint]:
    """The endpoints that a packet of this sender reaches, by IPv6 if it can; one entry for each copy."""
    packet = {IN_PORT: sender.ofport, ETH_SRC: int(sender.mac), ETH_DST: eth_dst}
    if sender.address6 is not None:
        packet |= {ETH_TYPE: 0x86DD, IPV6_SRC: int(sender.address6.ip)}
    elif sender.address is not None:
        packet |= {ETH_TYPE: 0x0800, IPV4_SRC: int(sender.address.ip)}
    at = {(end.key.host, end.ofport): end for end in intent.endpoints.values()}
    found: list[Endpoint] = []
    flying = [(sender.key.host, packet, 0)]
    while flying:
        host, packet, hops = flying.pop()
        assert hops < 3, "a loop"
        for port, out in outputs(bridges[host], packet):
            peer = next((name for name, ofport in intent.hosts[host].tunnels.items() if ofport == port), None)
            if peer is None:
                found.append(at[host, port])
            else:
                back = intent.hosts[peer].tunnels[host]
                kept = {field: out.get(field, 0) for field in (ETH_SRC, ETH_DST, ETH_TYPE, IPV4_SRC, IPV6_SRC, TUN_ID)}
                assert out[TUN_ID] == out[SEGMENT]
                flying.append((peer, kept | {IN_PORT: back}, hops + 1))
    return found


def _matches(flow: Flow, packet: Packet) -> bool:
    full = -1
    return all(
        (packet.get(term.field, 0) & (full if term.mask is None else term.mask)) == term.value for term in flow.match
    )
