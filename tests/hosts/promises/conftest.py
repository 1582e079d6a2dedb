"""Two containers of one VLAN on two hosts that know each other."""

import pytest

from scripts.lab import Lab
from scripts.lab.measure import Box, reaches, start_box
from tests.hosts.people import connect
from tests.hosts.promises.watched import THERE


@pytest.fixture
def pair(lab: Lab) -> tuple[Box, Box]:
    """web1 on h1 and web2 on h2, in VLAN 10."""
    web1, web2 = start_box(lab["h1"], "web1"), start_box(lab["h2"], "web2")
    connect(web1, "172.15.42.1/24", "--vlan", "10")
    connect(web2, f"{THERE}/24", "--vlan", "10")
    assert reaches(web1, THERE)
    return web1, web2
