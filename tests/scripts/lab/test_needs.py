import socket

import pytest

from scripts.lab import needs
from scripts.lab.plan import LabError, Plan


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "root", lambda: None)
    monkeypatch.setitem(needs.PACKAGES, "no-such-program", "its-package")

    with pytest.raises(LabError, match=r"needs no-such-program: install with “apt-get install its-package”"):
        needs.check()


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(LabError, match=f"Port {port} is in use"):
            needs.free(Plan(port=port))
