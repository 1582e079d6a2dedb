"""The controller and Open vSwitch meet, in the clear and over TLS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Sandbox
from tests.system.started import Started

CONNECTED = "the bridge 0x00000000000000ab connected from 127.0.0.1"


@pytest.fixture
def pki(sandbox: Sandbox, tmp_path: Path) -> Path:
    """A key `key.pem` and its certificate `cert.pem`, which signs itself: for both ends."""
    sandbox.command(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=test",
        "-keyout", f"{tmp_path}/key.pem", "-out", f"{tmp_path}/cert.pem",
    )  # fmt: skip
    return tmp_path


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Started]:
    made = Started(tmp_path)
    yield made
    made.process.kill()


@pytest.fixture
def encrypted(pki: Path, tmp_path: Path) -> Iterator[Started]:
    key, cert = f"{pki}/key.pem", f"{pki}/cert.pem"
    made = Started(tmp_path, f"--ctl-privkey={key}", f"--ctl-cert={cert}", f"--ca-certs={cert}")
    yield made
    made.process.kill()


def test_a_bridge_comes_and_goes(sandbox: Sandbox, plain: Started) -> None:
    sandbox.bridge(dpid=0xAB, controller=f"tcp:127.0.0.1:{plain.port}")
    plain.process.wait_for(CONNECTED)

    sandbox.vsctl("del-controller", "br-int")

    plain.process.wait_for("the bridge 0x00000000000000ab is gone")


def test_a_bridge_comes_over_tls(sandbox: Sandbox, encrypted: Started, pki: Path) -> None:
    sandbox.vsctl("set-ssl", f"{pki}/key.pem", f"{pki}/cert.pem", f"{pki}/cert.pem")
    sandbox.bridge(dpid=0xAB, controller=f"ssl:127.0.0.1:{encrypted.port}")

    encrypted.process.wait_for(CONNECTED)
    sandbox.vsctl("del-controller", "br-int")
    encrypted.process.wait_for("the bridge 0x00000000000000ab is gone")
