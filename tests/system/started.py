"""The controller as a process of its own, as people start it."""

import json
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.scripts.manager import CONTAINET, READY, Process, free_port

ANSWER_S = 10


class Started:
    """A controller on ports of its own: `port` for bridges, `rest` for callers."""

    def __init__(self, directory: Path, *words: str) -> None:
        self.port, self.rest = free_port(), free_port()
        words += (f"--ofp-tcp-listen-port={self.port}", f"--ofp-ssl-listen-port={self.port}")
        words += (f"--wsapi-port={self.rest}", f"--containet-state={directory}/state.db")
        self.process = Process(directory / "controller.log", directory, (str(CONTAINET), *words))
        self.process.wait_for(READY)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What the REST interface answers; fails if it refuses."""
        connection = HTTPConnection("127.0.0.1", self.rest, timeout=ANSWER_S)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status < 300, text
        return json.loads(text)
