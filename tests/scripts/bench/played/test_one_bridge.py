"""The intent of which one bridge has as many flows as one likes."""

from flows.pipeline import compile_bridge
from scripts.bench.played.one_bridge import BRIDGE_HOST, intent


def test_there_are_about_as_many_flows_as_were_asked_for() -> None:
    assert 0.8 < len(compile_bridge(intent(10_000), BRIDGE_HOST).flows) / 10_000 < 1.3
