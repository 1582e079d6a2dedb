"""Plays a host's helper to the controller: reports, and answers what is wanted with done. See app/wire.py.

It does nothing but say so, at once; a shaper takes it the time that it takes a helper.
"""

import json
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse
from threading import Thread
from typing import Any

from scripts.bench.api import CALL_S, Api
from scripts.lab import LabError

SHAPER_S = 0.003  # two threads' netlink: the namespace's and the host's


class Player:
    """The helper of one host, of which `everything` is the report (HostUp)."""

    def __init__(self, rest: int, name: str, everything: dict[str, Any]) -> None:
        self.name, self.everything = name, everything
        self._rest, self._path = rest, f"/v1/hosts/{name}"
        self._said = Api.at(rest)
        self._session = 0
        self.answered = 0  # wants

    def begin(self) -> None:
        """A session: all is told, and the stream of wants is open."""
        welcome = self._said("PUT", self._path, self.everything)
        if welcome["refused"]:
            raise LabError(f"the controller refuses some of {self.name}: {welcome['refused']}")
        self._session = welcome["session"]
        connection = HTTPConnection("127.0.0.1", self._rest, timeout=CALL_S)
        connection.request("GET", f"{self._path}/wants?session={self._session}")
        stream = connection.getresponse()
        Thread(target=self._answer, args=(stream, self._session), daemon=True).start()

    def admitted(self, ask: dict[str, Any]) -> Any:
        """What the controller makes of it."""
        return self._said("POST", f"{self._path}/admit", ask)

    def tell(self, event: dict[str, Any]) -> tuple[int, Any]:
        """Something came or went: status and outcome."""
        return self._said.ask("POST", f"{self._path}/events?session={self._session}", event)

    def _answer(self, stream: HTTPResponse, session: int) -> None:
        """Every want is done, one after the other, until the stream ends."""
        done = Api.at(self._rest)
        try:
            for line in stream:
                want = json.loads(line)
                if "beat" not in want:
                    if want["body"]["kind"] == "shaper":
                        time.sleep(SHAPER_S)
                    said = {"key": want["key"], "generation": want["generation"]}
                    done("POST", f"{self._path}/done?session={session}", said)
                    self.answered += 1
        except (OSError, HTTPException, LabError):
            return  # the controller is gone, or there is a newer session
