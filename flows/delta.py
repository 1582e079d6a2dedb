"""What differs between two intents, at the cost of what differs: an intent made from another remembers that.

Who may differ is known by `Intent.kin`; where the two have nothing to do with each other all endpoints are compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from flows.intent import Intent
from flows.model import EndpointKey

K = TypeVar("K")

REMEMBERED = 16  # the same few pairs are asked for again and again in one step of a transition


@dataclass(frozen=True)
class Delta:
    """Who and what is new, gone or changed between two intents."""

    endpoints: frozenset[EndpointKey]
    networks: frozenset[int]  # vnis
    hosts: frozenset[str]
    peers: frozenset[str]  # of them those that came, went or have another owner id: others' bridges may name them
    links: bool
    kept: Mapping[str, frozenset[int]]  # host -> segments that it keeps in one of the two only
    companies: frozenset[int]  # numbers

    def __bool__(self) -> bool:
        return bool(self.endpoints or self.networks or self.hosts or self.links or self.kept or self.companies)


@lru_cache(REMEMBERED)
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
        kept={host: _kept(one, host) ^ _kept(other, host) for host in _differing(one.kept, other.kept)},
        companies=_differing(one.companies, other.companies),
    )


def _owner(intent: Intent, host: str) -> int | None:
    return intent.hosts[host].owner if host in intent.hosts else None


def _kept(intent: Intent, host: str) -> frozenset[int]:
    return intent.kept.get(host, frozenset())


def _differing(one: Mapping[K, object], other: Mapping[K, object]) -> frozenset[K]:
    if one is other:
        return frozenset()
    return frozenset(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def _between(one: Intent, other: Intent) -> frozenset[EndpointKey] | None:
    """All that any step on the way from the one to the other changed; None if no way is known."""
    if one is other:
        return frozenset()
    direct = one.kin.get(other.serial, other.kin.get(one.serial))
    if direct is not None:
        return direct
    common = one.kin.keys() & other.kin.keys()
    if not common:
        return None
    newest = max(common)
    return one.kin[newest] | other.kin[newest]
