"""Rules find what a reader of the document finds, however they came to be."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.policy import Assignment, Match, Policy
from app.rules import Rules

WRITTEN = """
networks:
  blue: {vlan: 10, subnet: 172.15.42.0/24}
  green: {vlan: 20, vni: 4020}
assign:
  - {match: {name: web1}, vlan: 10, up: 10mbit}
  - {match: {label: tier=db}, vlan: 20}
"""
RULES = Rules.of(Policy.model_validate(yaml.safe_load(WRITTEN)))

matches = st.builds(
    Match,
    name=st.sampled_from(("web1", "web2")),
    host=st.sampled_from((None, "h1")),
    interface=st.sampled_from((None, "eth0")),
) | st.builds(Match, label=st.sampled_from(("tier", "tier=db")))
assignments = st.builds(Assignment, match=matches, vlan=st.integers(1, 4))


def test_what_people_wrote_is_given_back() -> None:
    assert RULES.policy.as_json() == yaml.safe_load(WRITTEN)


def test_the_first_assignment_that_matches_decides() -> None:
    first = RULES.assignment("web1", "h1", "eth0", {"tier": "db"})
    second = RULES.assignment("other", "h1", "eth0", {"tier": "db"})

    assert first is not None
    assert (first.vlan, first.up) == (10, "10mbit")
    assert second is not None
    assert second.vlan == 20
    assert RULES.assignment("other", "h1", "eth0", {"tier": "web"}) is None


def test_a_network_is_found_by_vlan_and_by_vni() -> None:
    assert RULES.network(10)[0] == "blue"
    assert RULES.network(20)[0] == RULES.network_on(4020)[0] == "green"


def test_a_vlan_that_no_policy_names_is_a_network_of_its_own() -> None:
    name, rule = RULES.network(30)

    assert (name, rule.segment, rule.subnet) == ("vlan30", 30, None)
    assert RULES.network_on(30) == (name, rule)
    assert RULES.network(1)[0] == "default"


@given(st.lists(assignments, max_size=6), st.lists(st.lists(assignments, min_size=1, max_size=3), max_size=4))
def test_heads_go_first_and_in_place_of_their_like(written: list[Assignment], changes: list[list[Assignment]]) -> None:
    document, rules = written, Rules.of(Policy(assign=tuple(written)))

    for heads in changes:
        taken = {head.match for head in heads}
        document = heads + [rule for rule in document if rule.match not in taken]
        rules = rules.with_heads(heads)

    assert list(rules.policy.assign) == document
    assert len(rules) == len(document)
    for name, host, labels in (("web1", "h1", {}), ("web2", "h2", {"tier": "db"}), ("web3", "h1", {"tier": "web"})):
        first = next((rule for rule in document if rule.match.holds(name, host, "eth0", labels)), None)
        assert rules.assignment(name, host, "eth0", labels) == first
