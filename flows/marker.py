"""The marker: one flow that no packet meets, whose cookie says what its bridge was given last.

     63        56 55     48 47                                  0
    +-----------+---------+-------------------------------------+
    |   magic   | MARKER  |                mark                 |
    +-----------+---------+-------------------------------------+

No flow goes to its table, which is behind all others. It is written in the bundle of each change, so it is true
whenever the bundle was committed. The mark is made of the digest of the intent for this bridge, and of the number of
its flows. So a controller that meets a bridge again asks for two numbers, how many flows of ours it has and whether one
of them has this cookie, and knows whether they are those that it wants: but for what somebody altered meanwhile without
a flow more or less, which only a comparison finds.

The digest is a sum, so that a change costs what it touches:

| term                           | of what                                                            |
|--------------------------------|--------------------------------------------------------------------|
| the host                       | itself with its tunnels, and the owners of those that they go to   |
| a segment that is served here  | its network                                                        |
| a member of that segment       | the endpoint, whole                                                |
| a company with a member here   | its segments, and who is in it                                     |

That is all that flows are compiled from (flows.pipeline), so intents with different flows have different digests. Each
term begins with the edition, a digest of the sources of this package: what another version compiled is compared.
"""

import marshal
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from flows.cookie import OWNER_BITS, Feature, pack, unpack
from flows.delta import delta
from flows.flow import Flow, flow
from flows.intent import Intent
from flows.model import Endpoint, Network
from flows.table import Priority, Table
from flows.work import PORTION, Work

NONE = 0  # no mark: nothing is said

_DIGEST_BYTES = 8
_DIGEST_MASK = (1 << 8 * _DIGEST_BYTES) - 1
_EDITION_BYTES = 32
_MARK_BYTES = OWNER_BITS // 8
_PLAIN = 2  # the last format of marshal that says of equal values the same, whoever else knows them


def edition(package: Path) -> bytes:
    """A digest of the sources of this package."""
    sources = blake2b(digest_size=_EDITION_BYTES)
    for file in sorted(package.glob("*.py")):
        sources.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return sources.digest()


EDITION = edition(Path(__file__).parent)


def marker(mark: int) -> Flow:
    """The flow that says this."""
    return flow(Table.MARKER, Priority.MISS, (), (), pack(Feature.MARKER, mark))


def mark_of(found: Flow) -> int | None:
    """What this flow says; None if it is no marker."""
    said = unpack(found.cookie)
    return said.owner if said is not None and found == marker(said.owner) else None


def mark(digest: int, flows: int) -> int:
    """What a bridge says that has what is wanted, by this digest, in so many flows, the marker among them. Not NONE."""
    return _number(_MARK_BYTES, (digest, flows)) or 1


def digesting(intent: Intent, host: str) -> Work[int]:
    """The digest of what this host's bridge should have."""
    terms = _terms.setdefault(intent, {})
    digest = _of_host(intent, host)
    for segment in intent.segments(host):
        if segment not in terms:
            terms[segment] = yield from _of_segment(intent, segment)
        digest += terms[segment]
    digest += _of_companies(intent, intent.companies_of(host))
    return digest & _DIGEST_MASK


def digesting_change(digest: int, before: Intent, after: Intent, host: str) -> Work[int]:
    """The digest of the second intent, from that of the first: at the cost of what differs."""
    if host not in before.hosts:
        return (yield from digesting(after, host))
    changed = delta(before, after)
    if host in changed.hosts or changed.peers:
        digest += _of_host(after, host) - _of_host(before, host)
    pairs = [(before.endpoints.get(key), after.endpoints.get(key)) for key in changed.endpoints]
    for segment in changed.networks.union(
        changed.kept.get(host, ()), (end.segment for pair in pairs for end in pair if end)
    ):
        served, serves = before.serves(host, segment), after.serves(host, segment)
        if served and serves:
            digest += _of_network(after.networks[segment]) - _of_network(before.networks[segment])
            digest += sum(_of_member(now, segment) - _of_member(was, segment) for was, now in pairs)
        elif served:
            digest -= yield from _of_segment(before, segment)
        elif serves:
            digest += yield from _of_segment(after, segment)
    if changed.companies:
        digest -= _of_companies(before, changed.companies.intersection(before.companies_of(host)))
        digest += _of_companies(after, changed.companies.intersection(after.companies_of(host)))
    return digest & _DIGEST_MASK


def _of_member(end: Endpoint | None, segment: int) -> int:
    return _of_endpoint(end) if end is not None and segment == end.segment else 0


def _of_segment(intent: Intent, segment: int) -> Work[int]:
    total = _of_network(intent.networks[segment])
    for number, member in enumerate(intent.in_segment(segment)):
        total += _of_endpoint(member)
        if number % PORTION == 0:
            yield
    return total


def _of_endpoint(end: Endpoint) -> int:
    where = [a and (int(a), a.network.prefixlen) for a in (end.address, end.address6)]
    rates = end.up_kbps, end.up_meter, end.down_kbps, end.down_meter
    place = end.ofport, end.segment, end.role.value, end.behind
    called = end.name, end.aliases
    return _term("endpoint", tuple(end.key), end.owner, called, int(end.mac), where, place, rates)


def _of_network(network: Network) -> int:
    addresses = str(network.subnet), str(network.gateway), str(network.subnet6), str(network.gateway6)
    return _term("network", network.owner, network.name, network.vlan, network.vni, *addresses)


def _of_companies(intent: Intent, numbers: Iterable[int]) -> int:
    found = [(number, intent.companies[number]) for number in numbers]
    return sum(_term("company", number, sorted(each.segments), [*map(tuple, each.members)]) for number, each in found)


def _of_host(intent: Intent, name: str) -> int:
    host, hosts = intent.hosts[name], intent.hosts
    tunnels = [(peer, ofport, hosts[peer].owner if peer in hosts else None) for peer, ofport in host.tunnels.items()]
    return _term("host", host.owner, host.name, host.dpid, int(host.vtep), sorted(tunnels))


def _term(*parts: Any) -> int:
    """Of plain values only, which any process writes alike; ValueError if there is another."""
    return _number(_DIGEST_BYTES, parts)


def _number(size: int, parts: tuple[Any, ...]) -> int:
    return int.from_bytes(blake2b(EDITION + marshal.dumps(parts, _PLAIN), digest_size=size).digest())


# The terms of segments, which all bridges share; of intents that somebody still has.
_terms: WeakKeyDictionary[Intent, dict[int, int]] = WeakKeyDictionary()
