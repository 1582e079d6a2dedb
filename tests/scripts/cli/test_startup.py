"""`connect` stands in scripts that start containers: it imports little, and starts fast."""

import re
import subprocess
import sys

import pytest

from tests.scripts.cli.conftest import CONTAINET, Cli

HEAVY = ("app", "docker", "eventlet", "falcon", "networkx", "os_ken", "pydantic", "pyroute2", "requests", "yaml")
KNOWN = "asyncio, http.client, unittest.mock"
LARGEST_SHARE = 1.0


def _imports(cli: Cli, *argv: str) -> dict[str, float]:
    """What a command imports, and how long that took with all below it, milliseconds."""
    return _timed(cli, CONTAINET, *argv)


def _timed(cli: Cli, *words: str) -> dict[str, float]:
    command = [sys.executable, "-X", "importtime", *words]
    ran = subprocess.run(command, env=cli.env, capture_output=True, text=True, timeout=30, check=False)
    found = re.findall(r"^import time: +\d+ \| +(\d+) \| ( *)(\S+)$", ran.stderr, re.MULTILINE)
    top = {name: int(micros) / 1000 for micros, indent, name in found if not indent}
    assert "site" in top
    return {name: 0.0 for _, _, name in found} | top


def test_connect_imports_nothing_heavy(nobody: Cli) -> None:
    packages = {name.partition(".")[0] for name in _imports(nobody, "connect", "web1", "172.15.42.100/24")}

    assert not packages & set(HEAVY)
    assert "click" in packages


@pytest.mark.parametrize("argv", [("connect", "web1", "172.15.42.100/24", "--vlan", "10"), ("endpoints",)])
def test_imports_are_quick(nobody: Cli, argv: tuple[str, ...]) -> None:
    def share() -> float:
        """Of what some of Python's own modules take, on this machine, now."""
        return sum(_imports(nobody, *argv).values()) / sum(_timed(nobody, "-c", f"import {KNOWN}").values())

    took = [share()]
    while min(took) >= LARGEST_SHARE and len(took) < 10:  # the least counts: the machine may be busy with other things
        took.append(share())

    assert min(took) < LARGEST_SHARE, took
