"""Whatever people get wrong: a message that says what, why and what to do, an exit code, and nothing has changed.

Each case is a command line on h1, the exit code, and words that the message must have. `web1` is connected on h1 as
172.15.42.1/24 in vlan 10, `web2` on h2 as 172.15.42.2/24; `idle` runs on h1 and `stopped` does not.
"""

import json
import urllib.request

import pytest

from scripts.lab import Lab, Machine
from scripts.lab.measure import start_box
from tests.hosts.people import connect, containet, named, soon, standing

POLICY = "networks:\n  blue: {vlan: 10, subnet: 172.15.42.0/24}\n"
FREE = "172.15.42.9/24"
SIZE = 50_000_000

CONNECT = [
    (("nobody", FREE), 1, ("no container “nobody”", "docker ps")),
    (("stopped", FREE), 1, ("“stopped” does not run", "docker start stopped")),
    (("netns:nowhere", FREE), 1, ("no network namespace “nowhere”", "ip netns")),
    (("idle", "172.15.42.1/24", "--vlan", "10"), 1, ("172.15.42.1", "web1")),
    (("idle", "172.15.42.2/24", "--vlan", "10"), 1, ("172.15.42.2", "web2")),
    (("idle", "172.15.42"), 1, ("“172.15.42”", "172.15.42.100/24")),
    (("idle", "172.15.42.300/24"), 1, ("“172.15.42.300/24”", "172.15.42.100/24")),
    (("idle", "172.15.42.0/24"), 1, ("172.15.42.0",)),
    (("idle", "10.0.0.1/24", "--vlan", "10"), 1, ("10.0.0.1", "172.15.42.0/24")),
    (("idle", "10.0.0.1", "--vlan", "20"), 1, ("10.0.0.1", "prefix", "10.0.0.1/24")),
    (("idle", FREE, "--vlan", "0"), 2, ("0", "1", "4094")),
    (("idle", FREE, "--vlan", "4095"), 2, ("4095", "4094")),
    (("idle", FREE, "--vlan", "ten"), 2, ("ten", "4094")),
    (("idle", FREE, "--gateway", "10.0.0.1"), 1, ("10.0.0.1", "172.15.42.0/24")),
    (("idle", FREE, "--interface", "a/b"), 1, ("interface",)),
    (("idle", FREE, "--bridge", "docker0"), 1, ("docker0", "join-bridge docker0")),
    *((("idle", FREE, "--up", rate), 2, (f"“{rate}”", "10mbit")) for rate in ("10", "0", "-1", "fast", "10mb/s")),
]
CHANGE = [
    (("limit", "web1", "--up", "10"), 2, ("“10”", "10mbit")),
    (("limit", "web1"), 2, ("--up", "--down")),
    (("limit", "nobody", "--up", "10mbit"), 1, ("“nobody”",)),
    (("move", "web1", "--vlan", "4095"), 2, ("4095", "4094")),
    (("move", "web1"), 2, ("--vlan",)),
    (("move", "h9:web1", "--vlan", "20"), 1, ("h9:web1",)),
    (("forget-host", "h9"), 1, ("“h9”", "h1", "h2")),
    (("forget-host", "h2"), 1, ("h2", "connected")),
    (("disconnect", "idle"), 1, ("“idle” is not connected",)),
    (("join-bridge", "nowhere"), 1, ("nowhere",)),
    (("leave-bridge", "nowhere"), 1, ("“nowhere” is not joined",)),
    (("flows", "--host", "h9"), 1, ("h9", "h1")),
]
FILES = [
    ("networks:\n  blue: {vlan: 10, speed: 3}\n", 1, ("speed", "line 2")),
    ("networks:\n  blue: {vlan: 10}\n  green: {vlan: 10}\n", 1, ("blue", "green", "10")),
    ("networks: {blue: {vlan: 0}}\n", 1, ("vlan", "4094")),
    ("networks: [\n", 1, ("YAML", "line")),
    ("just words\n", 1, ("keys and values",)),
    ("networks: {far: {vlan: 10, subnet: 10.0.0.0/24}}\n", 1, ("web1", "10.0.0.0/24")),
    ("assign: [{match: {name: web1}, up: fast}]\n", 1, ("“fast”", "10mbit")),
    ("assign: [{match: {}, vlan: 10}]\n", 1, ("name, label, host or interface",)),
    ("", 2, ("empty", "{}")),
]


@pytest.fixture
def peopled(lab: Lab) -> Lab:
    """A lab with something in it that could be changed by mistake."""
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    start_box(lab["h1"], "idle")
    start_box(lab["h1"], "stopped")
    lab["h1"].exec("docker", "stop", "--time=0", "stopped")
    containet(lab["h1"], "policy", "apply", "-", text=POLICY)
    connect(web1, "172.15.42.1/24", "--vlan", "10", "--up", "10mbit")
    connect(web2, "172.15.42.2/24", "--vlan", "10")
    named(lab, 10)
    return lab


def refused(host: Machine, words: tuple[str, ...], code: int, said: tuple[str, ...], text: str = "") -> list[str]:
    """What is wrong with how this is refused."""
    done = host.exec("containet", *words, text=text, check=False)
    heard = done.stdout + done.stderr
    wrong = [f"“{word}” is not said" for word in said if word not in heard]
    wrong += [f"it ends with {done.returncode}, not {code}"] if done.returncode != code else []
    wrong += ["it shows its inside"] if "Traceback" in heard else []
    return [f"{' '.join(words)[:80]}: {'; '.join(wrong)}: {heard[:400]}"] if wrong else []


def test_what_people_get_wrong_is_refused_in_words_and_changes_nothing(peopled: Lab) -> None:
    before, h1 = standing(peopled), peopled["h1"]

    wrong = [fault for words, code, said in CONNECT for fault in refused(h1, ("connect", *words), code, said)]
    wrong += [fault for words, code, said in CHANGE for fault in refused(h1, words, code, said)]
    for how in ("apply", "diff"):
        wrong += [
            fault for text, code, said in FILES for fault in refused(h1, ("policy", how, "-"), code, said, text=text)
        ]

    assert not wrong, "\n".join(wrong)
    assert standing(peopled) == before


def test_a_policy_of_50_mb_is_refused_at_once(peopled: Lab) -> None:
    before = standing(peopled)

    with (peopled["h1"].root / "tmp/huge.yaml").open("wb") as file:
        file.truncate(SIZE)
    try:
        said = containet(peopled["h1"], "policy", "apply", "/tmp/huge.yaml", code=2)  # noqa: S108
    finally:
        (peopled["h1"].root / "tmp/huge.yaml").unlink()

    assert "1 MiB" in said
    assert standing(peopled) == before


def test_what_is_no_json_is_refused_with_a_problem_document(peopled: Lab) -> None:
    before = standing(peopled)
    for resource, method, body, status in (
        ("/v1/policy", "PUT", b"{", 400),
        ("/v1/endpoints/web1", "PATCH", b"{'vlan': 20}", 400),
        ("/v1/endpoints/web1", "PATCH", b'{"vlan": "20"}', 422),
        ("/v1/endpoints/web1", "PATCH", b"[]", 422),
        ("/v1/endpoints", "PATCH", b'{"names": "web1", "vlan": 20}', 422),
        ("/v1/nothing", "GET", None, 404),
    ):
        problem = asked(peopled, resource, method, body)
        assert problem["status"] == status, f"{method} {resource}: {problem}"
        assert problem["type"].startswith("urn:containet:problem:")
        assert problem["detail"]

    assert standing(peopled) == before


def asked(lab: Lab, resource: str, method: str, body: bytes | None) -> dict[str, object]:
    """The problem document that the controller answers with."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{lab.plan.port}{resource}",
        method=method,
        data=body,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            raise AssertionError(f"{method} {resource} was answered {answer.status}")
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))


def test_a_second_host_with_the_same_dpid_is_refused(peopled: Lab) -> None:
    """As when a machine is cloned with its configuration, but for its name."""
    h2 = peopled["h2"]
    known = {host["name"]: host["dpid"] for host in peopled.ask("/v1/hosts")[1]}
    before = standing(peopled)
    twin = {"dpid": int(known["h1"], 16), "vtep": str(peopled.plan.address("h2")), "underlay_mtu": 1500}

    status, problem = peopled.ask("/v1/hosts/h3", "PUT", {**twin, "vtep": "198.18.9.9"})

    assert status == 409, problem
    assert "h1" in problem["detail"]
    assert {host["name"]: host["dpid"] for host in peopled.ask("/v1/hosts")[1]} == known
    soon(lambda: standing(peopled) == before, f"nothing has changed for {h2.name} and the others")


def test_a_helper_that_cannot_work_says_what_is_missing(lab: Lab) -> None:
    """Without root, and without Open vSwitch: it ends, and does not wait for what will not come."""
    config = "/etc/containet/helper.toml"
    h1 = lab["h1"]

    done = h1.exec("setpriv", "--reuid=65534", "--clear-groups", "containet-helper", check=False)
    assert done.returncode == 1
    assert "root" in done.stderr
    text = h1.exec("cat", config).stdout
    lines = 'socket = "/run/other.sock"', 'ovsdb = "unix:/run/nowhere.sock"'
    h1.exec("sh", "-c", "cat > /etc/other.toml", text="\n".join((text, *lines)))
    done = h1.exec("containet-helper", "--config-file", "/etc/other.toml", check=False)
    assert done.returncode == 1
    assert "Open vSwitch" in done.stderr
    assert "/run/nowhere.sock" in done.stderr
