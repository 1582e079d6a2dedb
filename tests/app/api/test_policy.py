"""The policy document over REST: both forms, the dry run, and every complaint at its place and line."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import yaml
from falcon.testing import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.api import document
from app.api.server import make_app
from app.desk import RefusedError
from app.policy import Policy
from flows.model import HIGHEST_VNI
from tests.app.api.conftest import Refused
from tests.app.api.twin import Twin, desk

WRITTEN = """\
# as users write it
networks:
  blue: {vlan: 10, subnet: 172.15.42.0/24}
  on: {vlan: 11}
  2024-01-01:
    vlan: 12
assign:
  - {match: {name: web1}, vlan: 10, up: 10mbit}
  - {match: {label: tier=db}, vlan: 20}
  - match: {name: "7", host: h1}
    down: none
"""
MEANT = {
    "networks": {"blue": {"vlan": 10, "subnet": "172.15.42.0/24"}, "on": {"vlan": 11}, "2024-01-01": {"vlan": 12}},
    "assign": [
        {"match": {"name": "web1"}, "vlan": 10, "up": "10mbit"},
        {"match": {"label": "tier=db"}, "vlan": 20},
        {"match": {"name": "7", "host": "h1"}, "down": "none"},
    ],
}


def put(client: TestClient, body: str, kind: str = "application/yaml", query: str = "") -> Any:
    return client.simulate_put("/v1/policy", body=body, content_type=kind, query_string=query)


@pytest.mark.parametrize("kind", ["application/yaml", "application/x-yaml", "text/yaml; charset=utf-8"])
def test_yaml_in_json_out(client: TestClient, kind: str) -> None:
    answer = put(client, WRITTEN, kind)

    assert (answer.status_code, answer.json) == (200, {"generation": 3, "pending": [], "why": ""})
    assert client.simulate_get("/v1/policy").json == MEANT


def test_json_in_yaml_out(client: TestClient) -> None:
    assert put(client, json.dumps(MEANT), "application/json").status_code == 200

    answer = client.simulate_get("/v1/policy", headers={"Accept": "application/yaml"})

    assert answer.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(answer.text) == MEANT


@pytest.mark.parametrize("accept", ["*/*", "", "text/html", ";;;", "application/json, application/yaml;q=0.5"])
def test_json_for_those_who_ask_for_nothing_else(client: TestClient, accept: str) -> None:
    answer = client.simulate_get("/v1/policy", headers={"Accept": accept})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


def test_not_done_while_a_host_is_away(client: TestClient, twin: Twin) -> None:
    twin.away = ("h1",)

    answer = put(client, WRITTEN)

    assert (answer.status_code, answer.json) == (202, {"generation": 3, "pending": ["h1"], "why": ""})


def test_a_dry_run_changes_nothing(client: TestClient, twin: Twin) -> None:
    answer = put(client, "assign: [{match: {name: db1}, vlan: 20}]", query="dry_run=true")

    assert (answer.status_code, answer.json) == (
        200,
        {"changes": [{"endpoint": "h2:db1:eth0", "field": "vlan", "from": 1, "to": 20}]},
    )
    assert (twin.policy, twin.generation) == (Policy(), 2)


@pytest.mark.parametrize("kind", ["application/yaml", "application/json"])
@pytest.mark.parametrize("body", ["", " \n", "null"])
def test_an_empty_policy_has_to_be_meant(
    client: TestClient, refused: Refused, twin: Twin, kind: str, body: str
) -> None:
    twin.policy = Policy.model_validate(MEANT)

    problem = refused(400, "empty-policy", "PUT", "/v1/policy", body=body, content_type=kind)

    assert "say {}" in problem["detail"]
    assert twin.policy != Policy()
    assert put(client, "{}", kind).status_code == 200
    assert twin.policy == Policy()


BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("body", "slug", "said"),
    [
        ("# only a comment", "empty-policy", "say {}"),
        ("---\n...\n", "empty-policy", "say {}"),
        ("networks: {a: {vlan: 1}", "not-yaml", "line 2, column 1: did not find"),
        ("networks:\n\tblue: {}", "not-yaml", "line 2, column 1"),
        ("a: \x01", "not-yaml", "not YAML"),
        (
            "networks:\n  blue: {vlan: 10}\n  blue: {vlan: 11}\n",
            "not-a-policy",
            "line 3: the key “blue” is there twice, first in line 2",
        ),
        ("networks: &n {}\nassign: *n\n", "not-a-policy", "line 2: an alias (*n)"),
        (BOMB, "not-a-policy", "line 2: an alias (*a)"),
        ("a: !!python/object/apply:os.system [id]", "not-a-policy", "line 1: the tag tag:yaml.org,2002:python/object"),
        ("a: !!int 5", "not-a-policy", "line 1: the tag"),
        ("{}\n---\n{}", "not-a-policy", "line 2: a second document"),
        ("? [a]\n: b", "not-a-policy", "line 1: a key is a text"),
        ("? *a\n: b", "not-a-policy", "line 1: a key is a text"),
        ("[" * 900, "not-a-policy", "nested too deep"),
    ],
    ids=lambda value: value[:30],
)
def test_yaml_that_is_none_or_too_much(refused: Refused, body: str, slug: str, said: str) -> None:
    problem = refused(400, slug, "PUT", "/v1/policy", body=body, content_type="application/yaml")

    assert said in problem["detail"]


def test_yaml_that_is_nested_without_end(client: TestClient) -> None:
    """The library may have a limit of its own (PyYAML 6.0.4 has) that is met before ours."""
    answer = client.simulate_put("/v1/policy", body="[" * 100_000, content_type="application/yaml")

    assert answer.status_code == 400
    assert "nest" in answer.json["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "line 1 column 2"),
        ('{"networks": {}, "networks": {}}', "the key “networks” is there twice"),
        ("[" * 100_000, "nested too deep"),
        ('{"networks": {"a": {"vlan": ' + "9" * 5000 + "}}}", "not JSON"),
        ("networks: {}", "not JSON"),
    ],
    ids=lambda value: value[:30],
)
def test_json_that_is_none(refused: Refused, body: str, said: str) -> None:
    problem = refused(400, "not-json", "PUT", "/v1/policy", body=body, content_type="application/json")

    assert said in problem["detail"]


@pytest.mark.parametrize("place", ['{"networks": {"\\ud800": {"vlan": 1}}}', '{"\\ud800": 1}'])
def test_half_a_character(refused: Refused, place: str) -> None:
    problem = refused(422, "invalid", "PUT", "/v1/policy", body=place, content_type="application/json")

    assert "\ud800" not in problem["detail"]


def test_bytes_that_are_no_text(refused: Refused) -> None:
    refused(400, "not-text", "PUT", "/v1/policy", body=b"a: \xff", content_type="application/yaml")


@pytest.mark.parametrize(
    ("body", "line", "where", "said"),
    [
        ("networks:\n  blue:\n    vlan: 0", 3, "networks.blue.vlan", "0 is not understood: a vlan is a whole"),
        ("networks:\n  blue: {vlan: ten}", 2, "networks.blue.vlan", "“ten” is not understood: a vlan is"),
        ("networks:\n  blue: {vlan: 0x10}", 2, "networks.blue.vlan", "“0x10” is not understood"),
        ("networks:\n  blue: {vni: 16777216, vlan: 1}", 2, "networks.blue.vni", f"number from 1 to {HIGHEST_VNI}"),
        ("networks:\n  blue: {}", 2, "networks.blue.vlan", "it is missing: a vlan is"),
        ("networks:\n  Blue!: {vlan: 1}", 2, "networks.Blue!", "“Blue!” is not understood: a network name has"),
        ("networks:\n  up: 5", 2, "networks.up", "keys and values are wanted, not 5"),
        ("networks:", 1, "networks", "keys and values are wanted, not nothing"),
        ("networks:\n  b: {vlan: 2, subnet: 10.0.0.9/24}", 2, "networks.b.subnet", "did you mean 10.0.0.0/24?"),
        ("networks:\n  b: {vlan: 2, subnet: home}", 2, "networks.b.subnet", "such as 172.15.42.0/24"),
        ("networks:\n  b: {vlan: 2, gateway: 300.0.0.1}", 2, "networks.b.gateway", "such as 172.15.42.1"),
        ("networks:\n  b: {vlan: 2, subnet6: 'fd00::1/64'}", 2, "networks.b.subnet6", "did you mean fd00::/64?"),
        ("networks:\n  b: {vlan: 2, subnet6: 10.0.0.0/24}", 2, "networks.b.subnet6", "such as fd00:42::/64"),
        ("networks:\n  b: {vlan: 2, gateway: 10.0.0.1}", 2, "networks.b", "is not inside the subnet"),
        ("\nnetworks:\n  a: {vlan: 2}\n  b: {vlan: 2}", 2, "", "a and b both have the vlan 2"),
        ("networks:\n  a: {vlan: 2, mtu: 9000}", 2, "networks.a.mtu", "what is known: vlan, vni, subnet, gateway"),
        ("\nnetwork: {}", 2, "network", "what is known: networks, assign"),
        ("assign: {}", 1, "assign", "a list is wanted, not keys and values"),
        ("assign:\n- {vlan: 3}", 2, "assign[0].match", "it is missing"),
        ("assign:\n- match: {}", 2, "assign[0].match", "say name, label, host or interface"),
        ("assign:\n- match: {name: 7}", 2, "assign[0].match.name", "a text is wanted, not 7"),
        ("assign:\n- match: {host: H!}", 2, "assign[0].match.host", "“H!” is not understood: a host name has"),
        ("assign:\n- match: {label: '=x'}", 2, "assign[0].match.label", "a label is KEY or KEY=VALUE"),
        ("assign:\n- match: {name: w}\n  up: 10mb", 3, "assign[0].up", "“10mb” is not a rate: say it as 800kbit"),
        ("assign:\n- match: {name: w}\n  up: 10", 3, "assign[0].up", "10 is not understood: say it as 800kbit"),
        ("just text", 1, "", "keys and values are wanted, not “just text”"),
    ],
    ids=str,
)  # fmt: skip
def test_each_complaint_has_its_place_and_line(
    refused: Refused, twin: Twin, body: str, line: int, where: str, said: str
) -> None:
    problem = refused(422, "invalid", "PUT", "/v1/policy", body=body, content_type="application/yaml")

    (error,) = problem["errors"]
    assert (error["line"], error["where"]) == (line, where)
    assert said in error["what"]
    assert problem["detail"].startswith(f"line {line}{', ' if where else ''}{where}: ")
    assert twin.policy == Policy()


def test_no_more_complaints_than_anybody_reads(refused: Refused) -> None:
    body = "networks: {" + ", ".join(f"n{n}: {{vlan: 0}}" for n in range(100)) + "}"

    problem = refused(422, "invalid", "PUT", "/v1/policy", body=body, content_type="application/yaml")

    assert len(problem["errors"]) == 20
    assert problem["detail"].endswith("(and 99 more)")


def test_a_megabyte_at_most(refused: Refused) -> None:
    problem = refused(413, "too-big", "PUT", "/v1/policy", body="#" * ((1 << 20) + 1), content_type="application/yaml")

    assert problem["limit"] == 1 << 20


def test_what_is_big_is_read_apart(twin: Twin) -> None:
    sizes: list[int] = []

    def apart(function: Callable[[bytes], Any], data: bytes) -> Any:
        sizes.append(len(data))
        return function(data)

    client = TestClient(make_app(desk(twin), apart=apart))
    assert put(client, "{}").status_code == 200
    assert put(client, "{}" + " " * (64 << 10)).status_code == 200
    assert sizes == [(64 << 10) + 2]


names = st.from_regex(r"[a-z0-9]([a-z0-9_.-]{0,8}[a-z0-9])?", fullmatch=True)
policies = st.builds(
    lambda networks, people: Policy.model_validate(
        {
            "networks": {name: {"vlan": vlan} for vlan, name in enumerate(networks, 1)},
            "assign": [{"match": {"name": name}, "vlan": 7} for name in people],
        }
    ),
    st.lists(names, unique=True, max_size=5),
    st.lists(st.text(min_size=1, max_size=9), max_size=5),
)


@given(policies)
def test_what_is_written_is_read_back(policy: Policy) -> None:
    assert document.read_yaml(document.write_yaml(policy)) == policy
    assert document.read_json(document.write_json(policy)) == policy


@given(st.text(alphabet="{}[]:,-?&*!|>'\"%@`#\n \tab1~<=.", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (document.read_yaml, document.read_json):
        with suppress(RefusedError):
            assert isinstance(read(text.encode()), Policy)
