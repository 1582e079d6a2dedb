"""What must hold at every moment of a change: the law, and the steps it is held against."""

from collections.abc import Iterator, Mapping
from itertools import permutations, product

from flows.flow import Contents
from flows.intent import Intent
from flows.model import EndpointKey
from flows.pipeline import compile_bridge
from flows.transition import next_step, same
from tests.flows.fabric import BROADCAST, receivers
from tests.flows.intents import NAMES, endpoint, intent

A, B, C = EndpointKey("h1", "c1", "eth0"), EndpointKey("h2", "c2", "eth0"), EndpointKey("h3", "c3", "eth0")
TOGETHER = intent(endpoint("h1", 1, 10), endpoint("h2", 2, 10), endpoint("h3", 3, 10))


def steps(
    before: Intent, target: Intent, away: frozenset[str] = frozenset(), lingering: bool = False
) -> Iterator[tuple[Intent, Intent]]:
    current = before
    for _ in range(40):
        step = next_step(current, target, away, lingering=lingering)
        if same(current, step):
            return
        yield current, step
        current = step
    raise AssertionError("it does not end")


def end(before: Intent, target: Intent, away: frozenset[str] = frozenset(), lingering: bool = False) -> Intent:
    """The last step that may be taken."""
    return next(reversed([step for _, step in steps(before, target, away, lingering)]), before)


def unfinished(step: Intent, target: Intent) -> set[EndpointKey]:
    return {key for key, wanted in target.endpoints.items() if step.endpoints.get(key) != wanted}


def bridges(step: Intent) -> dict[str, Contents]:
    return {name: compile_bridge(step, name) for name in step.hosts}


def mixtures(one: Intent, other: Intent, away: frozenset[str], old: Intent) -> Iterator[dict[str, Contents]]:
    """Every moment between two steps: each switch has the one or the other; those that are away have what they had."""
    have, will, had = bridges(one), bridges(other), bridges(old)
    for choice in product((have, will), repeat=len(NAMES)):
        yield {n: had[n] if n in away else chosen[n] for n, chosen in zip(NAMES, choice, strict=True)}


def check_law(before: Intent, target: Intent, away: frozenset[str], lingering: bool = False) -> None:
    for one, other in steps(before, target, away, lingering):
        for now in mixtures(one, other, away, before):
            check_moment(now, before, target)


def check_moment(now: Mapping[str, Contents], before: Intent, target: Intent) -> None:
    for sender, receiver in permutations(before.endpoints.keys() & target.endpoints.keys(), 2):
        old = before.endpoints[sender].segment == before.endpoints[receiver].segment
        new = target.endpoints[sender].segment == target.endpoints[receiver].segment
        for eth_dst in (int(before.endpoints[receiver].mac), BROADCAST):
            copies = [end.key for end in receivers(now, before, before.endpoints[sender], eth_dst)]
            if old and new:
                assert copies.count(receiver) == 1
            elif not old and not new:
                assert receiver not in copies
