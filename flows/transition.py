"""From one intent to another with no packet lost and none leaked, as a row of intents.

The law (per-packet consistency; Reitblatt et al., “Abstractions for Network Update”, SIGCOMM 2012): a packet is
delivered only if its ends shared a segment before the change or share one after it, and always if they shared one
before *and* after. An endpoint that moves goes through three steps, all endpoints together, each step standing on
every switch before the next begins:

| step      | sends in | receives in  | why                                                             |
|-----------|----------|--------------|-----------------------------------------------------------------|
| open      | old      | old and new  | whoever flips first finds the new path standing                 |
| flip      | new      | old and new  | packets of those that have not flipped yet still arrive         |
| close     | new      | new          | nobody sends to it in the old segment any more: leftovers go    |

Each step is an ordinary intent, compiled and compared like any other. So a controller that was killed between two
steps goes on from what it finds, with the same code.
"""

from collections.abc import Set
from dataclasses import replace

from flows.model import Endpoint, EndpointKey, Intent


def next_step(current: Intent, target: Intent, away: Set[str] = frozenset()) -> Intent:
    """The intent that may follow `current` on the way to `target`; one with the same contents if none may.

    `away` are the hosts whose switch does not answer. Those that move together, from one segment to one other, flip
    together or not at all: while the host of one of them is away, or one has not opened, the old policy stands.
    """
    blocked = {
        _journey(current, mover)
        for mover in _movers(current, target)
        if mover.key.host in away or mover.sends not in current.endpoints[mover.key].receives
    }
    endpoints = {
        key: _advance(current.endpoints[key], wanted, held=_journey(current, wanted) in blocked)
        if key in current.endpoints
        else wanted
        for key, wanted in target.endpoints.items()
    }
    spoken = {segment for endpoint in endpoints.values() for segment in endpoint.receives}
    networks = {vni: network for vni, network in current.networks.items() if vni in spoken} | dict(target.networks)
    return replace(target, endpoints=endpoints, networks=networks)


def same(one: Intent, other: Intent) -> bool:
    """Whether the two say the same of every switch; the generation does not count."""
    return replace(one, generation=other.generation) == other


def touched(one: Intent, other: Intent) -> frozenset[str]:
    """The hosts whose bridges may differ between the two: all that have a member in a segment where something does."""
    segments: set[int] = {vni for vni in one.networks.keys() | other.networks.keys() if _differs(one, other, vni)}
    hosts = {name for name in other.hosts if one.hosts.get(name) != other.hosts[name]}
    for key in one.endpoints.keys() | other.endpoints.keys():
        before, after = one.endpoints.get(key), other.endpoints.get(key)
        if before != after:
            hosts.add(key.host)
            segments.update(segment for end in (before, after) if end is not None for segment in end.receives)
    members = (end for intent in (one, other) for segment in segments for end in intent.members.get(segment, ()))
    changed_peers = {peer for name in hosts for peer in other.hosts if _peer_changed(one, other, name, peer)}
    return frozenset((hosts | {end.key.host for end in members} | changed_peers) & other.hosts.keys())


def unfinished(step: Intent, target: Intent) -> frozenset[EndpointKey]:
    """The endpoints that are not where the target has them."""
    return frozenset(key for key, wanted in target.endpoints.items() if step.endpoints.get(key) != wanted)


def _movers(current: Intent, target: Intent) -> list[Endpoint]:
    return [
        wanted
        for key, wanted in target.endpoints.items()
        if key in current.endpoints and current.endpoints[key].sends != wanted.sends
    ]


def _journey(current: Intent, wanted: Endpoint) -> tuple[int, int]:
    was = current.endpoints.get(wanted.key)
    return (wanted.sends if was is None else was.sends, wanted.sends)


def _advance(was: Endpoint, wanted: Endpoint, *, held: bool) -> Endpoint:
    """One step further for one endpoint; what is not its segment is as wanted at once."""
    if wanted.sends not in was.receives:  # open
        return replace(wanted, sends=was.sends, receives=frozenset({was.sends, wanted.sends}))
    if was.sends != wanted.sends:  # flip
        return replace(wanted, sends=was.sends if held else wanted.sends, receives=was.receives)
    return wanted  # close


def _differs(one: Intent, other: Intent, vni: int) -> bool:
    return one.networks.get(vni) != other.networks.get(vni)


def _peer_changed(one: Intent, other: Intent, name: str, peer: str) -> bool:
    """Whether the peer's flows name this host: its owner id is in the cookie of the tunnel to it."""
    return peer != name and (name in one.hosts) != (name in other.hosts) and name in other.hosts[peer].tunnels
