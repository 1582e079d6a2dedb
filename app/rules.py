"""Policy as it applies: found by what an endpoint is, at a price that does not grow with the document.

A value: a change makes another one. The first assignment that matches decides; what it leaves out, `connect` said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from app.policy import Assignment, Match, NetworkRule, Policy, unnamed

Word = tuple[str, str]  # a kind (name, label, interface, host) and what it is


@dataclass(frozen=True)
class Rules:
    """A policy document, indexed. Ranks tell which assignment comes first; a new head gets one below all."""

    networks: Mapping[str, NetworkRule]  # all of them: those that are written, and what hosts declare
    written: Mapping[str, NetworkRule]  # in the document
    ranked: Mapping[int, Assignment]
    by_match: Mapping[Match, tuple[int, ...]]
    by_word: Mapping[Word, tuple[int, ...]]  # by what their matches say first, in increasing order
    lowest: int = 0  # no rank is lower

    @classmethod
    def of(cls, policy: Policy) -> "Rules":
        """The rules of this document, with no network but its own."""
        by_match: dict[Match, list[int]] = {}
        by_word: dict[Word, list[int]] = {}
        for rank, rule in enumerate(policy.assign):
            by_match.setdefault(rule.match, []).append(rank)
            by_word.setdefault(_word(rule.match), []).append(rank)
        return cls(
            networks=policy.networks,
            written=policy.networks,
            ranked=dict(enumerate(policy.assign)),
            by_match={match: tuple(ranks) for match, ranks in by_match.items()},
            by_word={word: tuple(ranks) for word, ranks in by_word.items()},
        )

    @cached_property
    def by_vlan(self) -> Mapping[int, str]:
        """The name of the network of each vlan that has one."""
        return {rule.vlan: name for name, rule in self.networks.items()}

    @cached_property
    def by_segment(self) -> Mapping[int, str]:
        """The same by the number on the tunnel."""
        return {rule.segment: name for name, rule in self.networks.items()}

    @cached_property
    def policy(self) -> Policy:
        """The document, as people would write it."""
        assign = tuple(self.ranked[rank] for rank in sorted(self.ranked))
        return Policy.model_construct(networks=dict(self.written), assign=assign)

    def with_networks(self, networks: Mapping[str, NetworkRule]) -> "Rules":
        """With these networks in all; those that are written among them."""
        return self if networks == self.networks else replace(self, networks=networks)

    def __len__(self) -> int:
        """How many assignments there are."""
        return len(self.ranked)

    def network(self, vlan: int) -> tuple[str, NetworkRule]:
        """The name and rule of the network with this vlan; one that no policy names is a network of its own."""
        name = self.by_vlan.get(vlan)
        return (unnamed(vlan), NetworkRule(vlan=vlan)) if name is None else (name, self.networks[name])

    def network_on(self, segment: int) -> tuple[str, NetworkRule]:
        """The same by the number on the tunnel; without a name that is the vlan."""
        name = self.by_segment.get(segment)
        return self.network(segment) if name is None else (name, self.networks[name])

    def assignment(self, name: str, host: str, interface: str, labels: Mapping[str, str]) -> Assignment | None:
        """The first assignment that matches."""
        words = [("name", name), ("host", host), ("interface", interface)]
        words += [("label", said) for key, value in labels.items() for said in (key, f"{key}={value}")]
        ranks = sorted(rank for word in words for rank in self.by_word.get(word, ()))
        rules = (self.ranked[rank] for rank in ranks)
        return next((rule for rule in rules if rule.match.holds(name, host, interface, labels)), None)

    def with_heads(self, heads: Iterable[Assignment]) -> "Rules":
        """These assignments first; earlier ones with the same match go."""
        first = tuple(heads)
        ranked, by_match, by_word = dict(self.ranked), dict(self.by_match), dict(self.by_word)
        lowest = self.lowest - len(first)
        for head in first:
            gone = by_match.pop(head.match, ())
            word = _word(head.match)
            by_word[word] = tuple(rank for rank in by_word.get(word, ()) if rank not in gone)
            for rank in gone:
                del ranked[rank]
        for rank, head in enumerate(first, start=lowest):
            ranked[rank] = head
            by_match[head.match] = (*by_match.get(head.match, ()), rank)
            word = _word(head.match)
            by_word[word] = tuple(sorted((*by_word[word], rank)))
        return replace(self, ranked=ranked, by_match=by_match, by_word=by_word, lowest=lowest)


def _word(match: Match) -> Word:
    """One thing that an endpoint must have for this to match, so that few are looked at."""
    said = {"name": match.name, "label": match.label, "interface": match.interface, "host": match.host}
    return next((kind, text) for kind, text in said.items() if text is not None)
