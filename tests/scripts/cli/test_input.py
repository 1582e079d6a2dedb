"""What is wrong already on the command line: told what and what to do, and nobody is asked."""

import pytest

from tests.scripts.cli.conftest import Cli, Peer

CONNECT = ("connect", "web1", "172.15.42.100/24")


@pytest.mark.parametrize("vlan", ["0", "4095", "ten", "-1", "1.5", "", "٣"])
def test_a_vlan_that_is_none(cli: Cli, helper: Peer, vlan: str) -> None:
    ran = cli(*CONNECT, f"--vlan={vlan}")

    assert (ran.code, helper.asked) == (2, [])
    assert f"“{vlan}” is not a VLAN: say a number from 1 to 4094." in ran.err


@pytest.mark.parametrize("rate", ["10", "0", "-1", "fast", "10mb/s", "0mbit", "", "1e3mbit"])
def test_a_rate_that_is_none(cli: Cli, helper: Peer, controller: Peer, rate: str) -> None:
    for argv in ((*CONNECT, f"--up={rate}"), ("limit", "web1", f"--down={rate}")):
        ran = cli(*argv)

        assert ran.code == 2
        assert f"“{rate}” is not a rate" in ran.err
        assert "800kbit, 10mbit, 1.5gbit" in ran.err
    assert helper.asked + controller.asked == []


@pytest.mark.parametrize(
    "argv", [("nonsense",), ("connect", "web1"), ("move", "web1"), ("policy",), ("lab", "up", "--hosts", "0"), ()]
)
def test_usage(cli: Cli, argv: tuple[str, ...]) -> None:
    ran = cli(*argv)

    assert ran.code == 2
    assert "Usage: containet" in ran.err
