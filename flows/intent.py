"""The intent: all that is wanted of the switches, one frozen value; and who is where in it.

One intent is made from another at the cost of what changes: they share what they do not differ in, and remember it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import merge
from itertools import chain, count
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from flows.model import Company, Endpoint, EndpointKey, Host, Link, Network

G = TypeVar("G")


class Endpoints(Mapping[EndpointKey, Endpoint]):
    """Endpoints by key. By host inside, so that one with a few changes shares all other hosts with the one before."""

    __slots__ = ("_hosts",)

    def __init__(self, endpoints: Mapping[EndpointKey, Endpoint] = MappingProxyType({})) -> None:
        self._hosts: Mapping[str, Mapping[EndpointKey, Endpoint]] = {}
        self._hosts = self.changed(endpoints)._hosts

    def __getitem__(self, key: EndpointKey) -> Endpoint:
        return self._hosts[key.host][key]

    def __iter__(self) -> Iterator[EndpointKey]:
        return chain.from_iterable(self._hosts.values())

    def __len__(self) -> int:
        return sum(map(len, self._hosts.values()))

    def changed(self, endpoints: Mapping[EndpointKey, Endpoint | None]) -> "Endpoints":
        """The same, but with these endpoints so; None: gone."""
        hosts = dict(self._hosts)
        copied: dict[str, dict[EndpointKey, Endpoint]] = {}
        for key, endpoint in endpoints.items():
            if key.host not in copied:
                hosts[key.host] = copied[key.host] = dict(hosts.get(key.host, {}))
            if endpoint is None:
                copied[key.host].pop(key, None)
            else:
                copied[key.host][key] = endpoint
        made = Endpoints.__new__(Endpoints)
        made._hosts = hosts
        return made


@dataclass(frozen=True, eq=False)
class Intent:
    """All that is wanted of the switches, one frozen value. `generation` numbers the intents of one controller.

    Two are compared by `flows.delta` and `flows.transition.same`: comparing ten thousand endpoints is seldom meant.
    """

    MOST_KIN: ClassVar = 32
    MOST_DIFFERING: ClassVar = 1000  # endpoints: kin that differs by more is compared as well as any other

    generation: int = 0
    hosts: Mapping[str, Host] = field(default_factory=dict)
    networks: Mapping[int, Network] = field(default_factory=dict)  # by vni
    endpoints: Mapping[EndpointKey, Endpoint] = field(default_factory=dict)
    links: frozenset[Link] = frozenset()
    kept: Mapping[str, frozenset[int]] = field(default_factory=dict)  # host -> segments that its last member has left
    companies: Mapping[int, Company] = field(default_factory=dict)  # by number, from 1 on; nobody is in two
    serial: int = field(default_factory=count().__next__, init=False, repr=False)  # tells one from any other
    # By serial: intents that this one comes from, however far back, and the endpoints that may differ.
    kin: Mapping[int, frozenset[EndpointKey]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def members(self) -> Mapping[int, Mapping[str, tuple[Endpoint, ...]]]:
        """Who is in each segment, by host; all in the order of their keys (so that a flood is the same again)."""
        return _by_segment(_grouped(self.endpoints, _place))

    @cached_property
    def local(self) -> Mapping[str, tuple[Endpoint, ...]]:
        """The endpoints of each host that has one, in the order of their keys."""
        return _grouped(self.endpoints, _host)

    @cached_property
    def company(self) -> Mapping[EndpointKey, int]:
        """The number of the company that each endpoint is in, of those that are in one."""
        return {key: number for number, company in self.companies.items() for key in company.members}

    def companies_of(self, host: str) -> tuple[int, ...]:
        """The numbers of the companies that have a member on this host."""
        return tuple(n for n, company in self.companies.items() if any(key.host == host for key in company.members))

    def in_segment(self, segment: int) -> Iterator[Endpoint]:
        """Who is there, on all hosts, in the order of their keys."""
        return chain.from_iterable(self.members.get(segment, {}).values())

    def segments(self, host: str) -> tuple[int, ...]:
        """The segments that are compiled for this host: those that have a member there, or that it keeps a while."""
        served = {endpoint.segment for endpoint in self.local.get(host, ())}
        return tuple(sorted(served.union(self.kept.get(host, frozenset()) & self.members.keys())))

    def serves(self, host: str, segment: int) -> bool:
        """Whether the segment is one of them."""
        hosts = self.members.get(segment, {})
        return host in hosts or bool(hosts and segment in self.kept.get(host, ()))

    def changed(
        self,
        endpoints: Mapping[EndpointKey, Endpoint | None],
        beside: "tuple[Intent, Iterable[EndpointKey]] | None" = None,
        **others: Any,
    ) -> "Intent":
        """The same, but with these endpoints so (None: gone) and other fields as they are given.

        What is known of this one is carried over, so the price is that of what changes. `beside`: another intent, and
        the endpoints that may differ between that and the one that is made.
        """
        known = self.endpoints if isinstance(self.endpoints, Endpoints) else Endpoints(self.endpoints)
        merged = known.changed(endpoints)
        made = replace(self, endpoints=merged, **others)
        now = {key: merged[key] for key in sorted(endpoints) if key in merged}
        was = {key: self.endpoints[key] for key in endpoints if key in self.endpoints}
        # cached_property keeps its value in the instance's dict: there it is found instead of being made anew.
        made.__dict__["local"] = _regrouped(self.local, was, now, _host)
        concerned = {end.segment for end in chain(was.values(), now.values())}
        places = {(vni, host): ends for vni in concerned for host, ends in self.members.get(vni, {}).items()}
        apart = {vni: hosts for vni, hosts in self.members.items() if vni not in concerned}
        made.__dict__["members"] = {**apart, **_by_segment(_regrouped(places, was, now, _place))}
        made.__dict__["kin"] = _kin((self, endpoints), *([beside] if beside else []))
        return made


def _kin(*nearest: tuple[Intent, Iterable[EndpointKey]]) -> Mapping[int, frozenset[EndpointKey]]:
    """Those that are nearest and their kin: the newest of them."""
    found: dict[int, frozenset[EndpointKey]] = {}
    for intent, differing in nearest:
        own = frozenset(differing)
        for serial, more in ((intent.serial, frozenset()), *intent.kin.items()):
            if serial not in found and len(own) + len(more) <= Intent.MOST_DIFFERING:
                found[serial] = own | more
    return {serial: found[serial] for serial in sorted(found, reverse=True)[: Intent.MOST_KIN]}


def _host(end: Endpoint) -> str:
    return end.key.host


def _place(end: Endpoint) -> tuple[int, str]:
    return end.segment, end.key.host


def _by_segment(places: Mapping[tuple[int, str], tuple[Endpoint, ...]]) -> dict[int, dict[str, tuple[Endpoint, ...]]]:
    found: dict[int, dict[str, tuple[Endpoint, ...]]] = {}
    for segment, host in sorted(places):
        found.setdefault(segment, {})[host] = places[segment, host]
    return found


def _grouped(
    endpoints: Mapping[EndpointKey, Endpoint], group: Callable[[Endpoint], G]
) -> dict[G, tuple[Endpoint, ...]]:
    found: dict[G, list[Endpoint]] = {}
    for key in sorted(endpoints):
        found.setdefault(group(endpoints[key]), []).append(endpoints[key])
    return {name: tuple(ends) for name, ends in found.items()}


def _regrouped(
    before: Mapping[G, tuple[Endpoint, ...]],
    was: Mapping[EndpointKey, Endpoint],
    now: Mapping[EndpointKey, Endpoint],
    group: Callable[[Endpoint], G],
) -> Mapping[G, tuple[Endpoint, ...]]:
    """The groups after these endpoints changed; those that are not concerned are the same tuples as before."""
    added = _grouped(now, group)
    after = dict(before)
    for name in {group(endpoint) for endpoint in was.values()} | added.keys():
        stay = (endpoint for endpoint in before.get(name, ()) if endpoint.key not in was)
        after[name] = tuple(merge(stay, added.get(name, ()), key=lambda endpoint: endpoint.key))
        if not after[name]:
            del after[name]
    return after
