"""The helper's local API: HTTP and JSON on a unix socket, for `containet` on this host. Bodies and answers are bounded.

| call                     | body          | answer                                                              |
|--------------------------|---------------|---------------------------------------------------------------------|
| POST /v1/connect         | `Connect`     | `{"endpoint": {...}, "pending": [...], "already": bool}`            |
| POST /v1/disconnect      | `Disconnect`  | `{"removed": ["web1:eth0"], "pending": [...]}`                      |
| POST /v1/wait            | `Wait`        | `{"container", "interface", "pending": [...]}`                      |
| POST /v1/join-bridge     | `JoinBridge`  | `{"bridge", "vlan", "nat", "already": bool, "pending": [...]}`      |
| POST /v1/leave-bridge    | `LeaveBridge` | `{"bridge", "pending": [...]}`                                      |
| GET  /v1/endpoints       |               | a list of what is attached, plugged or not                          |
| GET  /v1/status          |               | `{"host", "dpid", "vtep", "controller", "docker", "ovs", "why"}`    |

A pending host makes it a 202, and `why` says what it waits for. Errors are problem documents (RFC 9457).
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import falcon
from pydantic import ValidationError

from scripts.helper.net.firewall import NatError
from scripts.helper.net.netns import PlumbError
from scripts.helper.ovs.vswitch import VswitchError
from scripts.helper.people.asked import Asked, Connect, Disconnect, JoinBridge, LeaveBridge, Wait
from scripts.helper.people.attach import Attach
from scripts.helper.people.bridging import Bridging
from scripts.helper.problem import RefusedError

LARGEST_BODY = 64 << 10  # bytes

A = TypeVar("A", bound=Asked)

log = logging.getLogger(__name__)


class Call(Generic[A]):
    """A POST: its body is validated, then the work is done."""

    def __init__(self, kind: type[A], work: Callable[[A], dict[str, Any]]) -> None:
        self._kind, self._work = kind, work

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Do what the body says."""
        body = req.bounded_stream.read(LARGEST_BODY + 1)  # in chunks too: waitress gathers them and says how long it is
        if len(body) > LARGEST_BODY:
            raise RefusedError(413, "too-large", f"The body is larger than {LARGEST_BODY >> 10} KiB.")
        answer = self._work(self._kind.model_validate_json(body))
        resp.media = answer
        resp.status = falcon.HTTP_202 if answer.get("pending") else falcon.HTTP_200


class Look:
    """A GET: how it is now."""

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look

    def on_get(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """Say how it is."""
        resp.media = self._look()


def application(
    attach: Attach, bridging: Bridging, status: Callable[[], Mapping[str, object]]
) -> falcon.App[falcon.Request, falcon.Response]:
    """The WSGI application."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    app.add_route("/v1/connect", Call(Connect, attach.connect))
    app.add_route("/v1/disconnect", Call(Disconnect, attach.disconnect))
    app.add_route("/v1/wait", Call(Wait, attach.wait))
    app.add_route("/v1/join-bridge", Call(JoinBridge, bridging.join))
    app.add_route("/v1/leave-bridge", Call(LeaveBridge, bridging.leave))
    app.add_route("/v1/endpoints", Look(attach.endpoints))
    app.add_route("/v1/status", Look(status))
    app.add_error_handler(Exception, _failed)
    for kind, handler in (
        (RefusedError, lambda error: error),
        (ValidationError, _invalid),
        (falcon.HTTPError, _http),
        (VswitchError, lambda error: RefusedError(503, "open-vswitch", str(error))),
        (PlumbError, lambda error: RefusedError(500, "plumbing", str(error))),
        (NatError, lambda error: RefusedError(500, "nat", str(error))),
    ):
        app.add_error_handler(kind, _answering(handler))
    return app


def _answering(refusal_of: Callable[[Any], RefusedError]) -> Callable[..., None]:
    def handle(_req: falcon.Request, resp: falcon.Response, error: Exception, _params: object) -> None:
        _say(resp, refusal_of(error))

    return handle


def _say(resp: falcon.Response, refusal: RefusedError) -> None:
    resp.status = falcon.code_to_http_status(refusal.status)
    resp.content_type = "application/problem+json"
    resp.text = json.dumps(refusal.document())


def _invalid(error: ValidationError) -> RefusedError:
    errors = [
        {"where": ".".join(map(str, found["loc"])), "what": found["msg"].removeprefix("Value error, ")}
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    detail = "; ".join(f"{found['where']}: {found['what']}".removeprefix(": ") for found in errors)
    return RefusedError(400, "invalid", f"This cannot be used. {detail}", errors=errors)


def _http(error: falcon.HTTPError) -> RefusedError:
    detail = error.description or f"{error.title}: /v1/status and /v1/endpoints say what is here."
    return RefusedError(error.status_code, "http", detail)


def _failed(_req: falcon.Request, resp: falcon.Response, error: Exception, _params: object) -> None:
    log.error("A call failed unexpectedly", exc_info=error)
    _say(resp, RefusedError(500, "failed", "The helper failed unexpectedly; its log has more. Nothing is promised."))
