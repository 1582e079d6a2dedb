"""A helper as people run it: its own process, its configuration file, its socket."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scripts.helper.conftest import BRIDGE, Ovs, run, until
from tests.scripts.helper.twin import Twin

VTEP = "10.99.0.1"


@dataclass
class Running:
    """One helper. `settings` go into its configuration file."""

    path: Path
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.path / "helper.toml"
        self.settings |= {"socket": f"{self.path}/helper.sock", "plugin": f"{self.path}/plugin.sock"}

    def write(self) -> None:
        self.file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in self.settings.items()))

    def start(self) -> None:
        self.write()
        with (self.path / "helper.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scripts.helper", "--config-file", str(self.file)], stderr=log
            )
        until(self._answers, 20)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(10)

    @property
    def log(self) -> str:
        return (self.path / "helper.log").read_text()

    def ask(self, method: str, resource: str, body: object = None) -> tuple[int, Any]:
        """The answer. `body`: what becomes JSON, or bytes as they are, or an iterator of them that goes in chunks."""
        connection = _Unix(self.settings["socket"])
        try:
            said = body if body is None or isinstance(body, bytes | Iterator) else json.dumps(body).encode()
            connection.request(method, resource, said)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def call(self, method: str, body: object = None) -> tuple[int, Any]:
        """As Docker's engine calls its driver: without a Content-Type."""
        connection = _Unix(self.settings["plugin"])
        try:
            said = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request("POST", f"/{method}", said)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def do(self, what: str, **body: object) -> Any:
        """The answer to a POST that must succeed."""
        status, document = self.ask("POST", f"/v1/{what}", body)
        assert status == 200, document
        return document

    def refused(self, what: str, **body: object) -> tuple[int, str, str]:
        """Status, slug and words of a POST that must be refused."""
        status, document = self.ask("POST", f"/v1/{what}", body)
        assert status >= 400, document
        return status, document["type"].removeprefix("urn:containet:problem:"), document["detail"]

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.log
        try:
            return self.ask("GET", "/v1/status")[0] == 200
        except OSError:
            return False


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@contextmanager
def helper(path: Path, ovs: Ovs, twin: Twin, **settings: str) -> Iterator[Running]:
    """A helper of the host h1, whose controller is the twin. Its log is shown if the test fails."""
    if VTEP not in run("ip", "-br", "address"):
        run("ip", "link", "add", "underlay", "type", "bridge")
        run("ip", "link", "set", "underlay", "up", "mtu", "1500")
        run("ip", "address", "add", f"{VTEP}/24", "dev", "underlay")
    made = Running(
        path,
        {
            "host": "h1",
            "vtep": VTEP,
            "controller": twin.url,
            "bridge": BRIDGE,
            "datapath_type": "netdev",
            "ovsdb": ovs.remote,
            "docker": f"unix://{path}/docker.sock",
            **settings,
        },
    )
    try:
        made.start()
        yield made
    finally:
        if made.process and made.process.poll() is None:
            made.kill()
        if os.path.ismount(resolver := path / "resolver"):  # a namespace, which outlives the helper
            run("umount", str(resolver))
        sys.stderr.write(made.log)  # pytest shows it where a test failed
