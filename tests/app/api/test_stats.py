"""What `/stats` refuses before any bridge is asked, as problem documents."""

from collections.abc import Mapping
from typing import Any, NoReturn

import pytest
from falcon import testing

from app.api import problems, stats


class Unasked:
    """A bridge that nothing may be asked of."""

    dp = None

    def request(self, msg: Any) -> NoReturn:
        raise AssertionError(f"the bridge was asked: {msg}")


@pytest.fixture
def client() -> testing.TestClient:
    bridges: Mapping[int, stats.StatsSource] = {10: Unasked(), 11: Unasked()}
    app = problems.App()
    problems.install(app, ())
    stats.add_routes(app, lambda: bridges)
    return testing.TestClient(app)


def test_all_bridges_are_listed_by_dpid(client: testing.TestClient) -> None:
    assert client.simulate_get("/stats/switches").json == [10, 11]


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("flow/12", 404, "Connected: 10 (0x000000000000000a), 11 (0x000000000000000b)."),
        ("desc/0xc", 404, "No bridge has connected as 0xc"),
        ("desc/-1", 404, "No bridge has connected as -1"),
        ("desc/host1", 400, "“host1” is not a dpid"),
        ("desc/000000000000000a", 400, "“000000000000000a” is not a dpid"),
        ("port/10/LOCAL", 400, "port: “LOCAL”"),
        ("queue/10/1/x", 400, "queue_id: “x”"),
        ("meter/10/x", 400, "meter_id: “x”"),
        ("group/10/-1", 400, "group_id: “-1”"),
        ("queuedesc/10", 501, "ask /stats/queueconfig"),
        ("queuedesc/10/1/1", 501, "ask /stats/queueconfig"),
        ("meterdesc/10/1", 501, "ask /stats/meterconfig"),
        ("nothing/10", 404, "There is nothing at"),
        ("desc/10/1", 404, "There is nothing at"),
    ],
)
def test_refused(path: str, status: int, why: str, client: testing.TestClient) -> None:
    answer = client.simulate_get(f"/stats/{path}")

    assert (answer.status_code, answer.headers["content-type"]) == (status, problems.MEDIA_TYPE)
    assert why in answer.json["detail"]
    assert answer.json["status"] == status


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["flow", "flowdesc", "aggregateflow"])
def test_a_filter_is_bounded_and_checked(path: str, method: str, client: testing.TestClient) -> None:
    too_big = client.simulate_request(method, f"/stats/{path}/10", body=b" " * (stats.LARGEST_FILTER + 1))
    no_filter = client.simulate_request(method, f"/stats/{path}/10", body=b"table 10")

    assert (too_big.status_code, no_filter.status_code) == (413, 400)
    assert "not JSON" in no_filter.json["detail"]


@pytest.mark.parametrize("path", ["desc", "port", "group", "role"])
def test_what_takes_no_filter_takes_no_post(path: str, client: testing.TestClient) -> None:
    assert client.simulate_post(f"/stats/{path}/10").status_code == 405


@pytest.mark.parametrize("path", ["flowentry/add", "flowentry/clear/10", "meterentry/add", "role", "experimenter/10"])
def test_nothing_can_be_changed(path: str, client: testing.TestClient) -> None:
    for method in ("POST", "DELETE", "PUT"):
        assert client.simulate_request(method, f"/stats/{path}").status_code in (404, 405)
