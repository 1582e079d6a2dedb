"""Connects containers that say by labels how they want to be connected, once they run (`docker run --net=none`)."""

import logging
import threading
import time

from pydantic import ValidationError

from scripts.helper import labels
from scripts.helper.containers import Container
from scripts.helper.engine import DockerAwayError
from scripts.helper.net.netns import PlumbError
from scripts.helper.ovs.vswitch import VswitchError
from scripts.helper.people.asked import Connect
from scripts.helper.people.attach import Attach
from scripts.helper.problem import RefusedError

AGAIN_S = 5.0

log = logging.getLogger(__name__)


class Labelled:
    """One after the other, in a thread of its own, since the controller is waited for. What fails is tried again."""

    def __init__(self, attach: Attach) -> None:
        self._attach = attach
        self._changed = threading.Condition()
        self._waiting: dict[str, tuple[float, Container]] = {}  # by id: not before (monotonic)
        self._why: dict[str, str] = {}  # of those that could not be connected: said once

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self._run, name="labelled", daemon=True).start()

    def consider(self, container: Container) -> None:
        """This is how a container is now."""
        wants = labels.any_of_ours(container.labels) and container.netns and not container.attachments
        with self._changed:
            if not wants or self._attach.knows(container.id):
                self._waiting.pop(container.id, None)
                self._why.pop(container.id, None)
            else:
                self._waiting[container.id] = (0.0, container)
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while (found := self._next()) is None:
                    self._changed.wait(AGAIN_S if self._waiting else None)
                del self._waiting[found.id]
            try:
                self._attach.connect(asked(found))
            except (RefusedError, DockerAwayError, PlumbError, VswitchError) as error:
                self._later(found, str(error))
            except Exception as error:
                log.exception("%s could not be connected by its labels", found.name)
                self._later(found, str(error))

    def _next(self) -> Container | None:
        now = time.monotonic()
        return next((container for after, container in self._waiting.values() if after <= now), None)

    def _later(self, container: Container, why: str) -> None:
        with self._changed:
            if self._why.get(container.id) != why:
                log.error("%s cannot be connected as its labels say: %s", container.name, why)
            self._why[container.id] = why
            self._waiting.setdefault(container.id, (time.monotonic() + AGAIN_S, container))


def asked(container: Container) -> Connect:
    """What the labels ask for; RefusedError in words if that makes no sense."""
    said = labels.said(container.labels)
    if labels.ADDRESS not in said:
        raise RefusedError(422, "label", f"which address? Say it with --label {labels.ADDRESS}=172.15.42.7/24")
    try:
        return Connect(
            container=container.id,
            address=said[labels.ADDRESS],
            address6=said.get(labels.ADDRESS6),
            network=said.get(labels.NETWORK),
            vlan=labels.vlan(said),
            up=said.get(labels.UP),
            down=said.get(labels.DOWN),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RefusedError(422, "label", f"{labels.PREFIX}{where}: {first['msg']}") from error
