"""What the documents tell people to type, on real hosts."""

from pathlib import Path

import pytest

from scripts.lab import Lab
from tests.hosts.lab.walkthrough import walk

TOP = Path(__file__).parents[3]
EXPERIMENTS = TOP / "docs/experiments.md"
WITHOUT_BRIDGE = ("Open vSwitch only", "VLANs", "Rates")


@pytest.mark.hosts(2, tunnel="gre")
def test_the_experiments_over_gre(lab: Lab) -> None:
    for title in ("Docker's bridge, joined", *WITHOUT_BRIDGE):
        assert walk(lab, EXPERIMENTS, title) > 0


@pytest.mark.hosts(2, tunnel="vxlan")
def test_the_experiments_over_vxlan(lab: Lab) -> None:
    for title in WITHOUT_BRIDGE:
        assert walk(lab, EXPERIMENTS, title) > 0


@pytest.mark.hosts(2, tunnel="vxlan")
def test_the_first_five_minutes(lab: Lab) -> None:
    assert walk(lab, TOP / "README.md", "The first five minutes") > 0


@pytest.mark.hosts(2, tunnel="vxlan")
def test_the_first_ten_minutes_with_docker(lab: Lab) -> None:
    assert walk(lab, TOP / "docs/docker.md") > 0
