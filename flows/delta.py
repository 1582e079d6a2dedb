"""What differs between two intents, at the cost of what differs: an intent made from another remembers that.

The way from one to the other is looked for by `Intent.origin`; where there is none (two intents that have nothing to do
with each other) all endpoints are compared.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeVar

from flows.model import EndpointKey, Intent

K = TypeVar("K")

LONGEST_WAY = 64  # intents followed back before all is compared


@dataclass(frozen=True)
class Delta:
    """Who and what is new, gone or changed between two intents."""

    endpoints: frozenset[EndpointKey]
    networks: frozenset[int]  # vnis
    hosts: frozenset[str]
    peers: frozenset[str]  # of them those that came, went or have another owner id: others' bridges may name them
    links: bool

    def __bool__(self) -> bool:
        return bool(self.endpoints or self.networks or self.hosts or self.links)


def delta(one: Intent, other: Intent) -> Delta:
    """What differs."""
    suspects = _between(one, other)
    if suspects is None:
        suspects = frozenset(one.endpoints.keys() | other.endpoints.keys())
    hosts = _differing(one.hosts, other.hosts)
    return Delta(
        endpoints=frozenset(key for key in suspects if one.endpoints.get(key) != other.endpoints.get(key)),
        networks=_differing(one.networks, other.networks),
        hosts=hosts,
        peers=frozenset(host for host in hosts if _owner(one, host) != _owner(other, host)),
        links=one.links is not other.links and one.links != other.links,
    )


def _owner(intent: Intent, host: str) -> int | None:
    return intent.hosts[host].owner if host in intent.hosts else None


def _differing(one: Mapping[K, object], other: Mapping[K, object]) -> frozenset[K]:
    if one is other:
        return frozenset()
    return frozenset(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def _between(one: Intent, other: Intent) -> frozenset[EndpointKey] | None:
    """All that any step on the way from the one to the other changed; None if no way is known.

    Both ways back are gone side by side, so the price is that of the way between them.
    """
    ways = _back(one), _back(other)
    seen: tuple[dict[Intent, frozenset[EndpointKey]], ...] = ({}, {})
    for steps in zip_longest(*ways):
        for mine, theirs, step in zip(seen, reversed(seen), steps, strict=True):
            if step is not None:
                ancestor, changed = step
                mine[ancestor] = changed
                if ancestor in theirs:
                    return changed | theirs[ancestor]
    return None


def _back(intent: Intent) -> Iterator[tuple[Intent, frozenset[EndpointKey]]]:
    """The intent and those that it was made from, each with all that may differ since."""
    changed: frozenset[EndpointKey] = frozenset()
    yield intent, changed
    for _ in range(LONGEST_WAY):
        if intent.origin is None or (before := intent.origin.intent()) is None:
            return
        changed |= intent.origin.changed
        intent = before
        yield intent, changed
