import pytest
import yaml
from pydantic import ValidationError

from app.policy import Match, Policy

WRITTEN = """
networks:
  blue: {vlan: 10, subnet: 172.15.42.0/24}
assign:
  - {match: {name: web1}, vlan: 10, up: 10mbit}
  - {match: {label: tier=db}, vlan: 20}
"""
POLICY = Policy.model_validate(yaml.safe_load(WRITTEN))


def test_what_people_wrote_is_given_back() -> None:
    assert POLICY.as_json() == yaml.safe_load(WRITTEN)


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({"label": "tier"}, True),
        ({"label": "tier=db"}, True),
        ({"label": "tier=web"}, False),
        ({"label": "other"}, False),
        ({"name": "web1", "host": "h2"}, False),
        ({"name": "web1", "interface": "eth0"}, True),
    ],
)
def test_all_that_a_match_says_must_hold(match: dict[str, str], holds: bool) -> None:
    assert Match.model_validate(match).holds("web1", "h1", "eth0", {"tier": "db"}) is holds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("networks: {a: {vlan: 10}, b: {vlan: 10}}", "a and b both have the vlan 10"),
        ("networks: {a: {vlan: 10, vni: 7}, b: {vlan: 7}}", "a and b both have the vni 7"),
        ("networks: {a: {vlan: 0}}", "greater than or equal to 1"),
        ("networks: {a: {vlan: 4095}}", "less than or equal to 4094"),
        ("networks: {a: {vlan: ten}}", "integer"),
        ("networks: {a: {vlan: 10, color: red}}", "color"),
        ("networks: {a: {vlan: 10, subnet: 10.0.0.1/24}}", "host bits"),
        ("networks: {a: {vlan: 10, subnet: 10.0.0.0/24, gateway: 10.0.1.1}}", "not inside the subnet"),
        (
            "networks: {a: {vlan: 1, subnet: 10.0.0.0/8, gateway: 10.0.0.1},"
            " b: {vlan: 2, subnet: 10.0.0.0/24, gateway: 10.0.0.1}}",
            "both have a gateway and overlap",
        ),
        ("networks: {a: {vlan: 10, subnet6: 'fd00::/64', gateway6: 'fd01::1'}}", "not inside the subnet"),
        (
            "networks: {a: {vlan: 1, subnet6: 'fd00::/16', gateway6: 'fd00::1'},"
            " b: {vlan: 2, subnet6: 'fd00:42::/64', gateway6: 'fd00:42::1'}}",
            "both have a gateway and overlap",
        ),
        ("assign: [{match: {}, vlan: 10}]", "an empty match"),
        ("assign: [{match: {name: }, vlan: 10}]", "an empty match"),
        ("networks: {vlan20: {vlan: 30}}", "what another VLAN is called"),
        ("networks: {default: {vlan: 5}}", "what another VLAN is called"),
        ("assign: [{match: {name: web1}, up: 10}]", "string"),
        ("assign: [{match: {name: web1}, up: fast}]", "not a rate"),
        ("assign: [{vlan: 10}]", "match"),
        ("nets: {}", "nets"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Policy.model_validate(yaml.safe_load(text))
