"""Rates that change under a stream, always above what it needs."""

import time

from scripts.lab import Lab
from scripts.lab.measure import Box
from tests.hosts.promises.watched import watched

CHANGES = 100


def test_rates_changed_under_a_stream_lose_nothing(lab: Lab, pair: tuple[Box, Box]) -> None:
    """The stream needs 8.5 Mbit/s."""
    with watched(lab, pair) as stream:
        for number in range(CHANGES):
            change = {"up": f"{50 + 50 * (number % 2)}mbit", "down": f"{100 - 30 * (number % 3)}mbit"}
            status, said = lab.ask("/v1/endpoints", "PATCH", {"names": ["web1", "web2"], **change})
            assert status == 200, said
            time.sleep(0.01)

    assert stream.lost == 0, stream
