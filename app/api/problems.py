"""Every error is a problem document (RFC 9457), written for people: what is wrong, why, and what is allowed.

`RefusedError` is the one way to refuse, for this room as for the Desk. What falcon refuses by itself is put into the
same form. What nobody foresaw is a 500 that shows nothing of the inside; the log has it.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import falcon

from app.desk import RefusedError

App = falcon.App[falcon.Request, falcon.Response]
MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong. `type` is for programs, `detail` for people; some kinds have more members (see there)."""

    type: str
    title: str
    status: int
    detail: str


def document(error: RefusedError) -> dict[str, object]:
    """The problem document of a refusal."""
    title = error.slug.replace("-", " ").capitalize()
    return {
        **error.more,
        "type": f"urn:containet:problem:{error.slug}",
        "title": title,
        "status": error.status,
        "detail": error.detail,
    }


def install(app: App, paths: Sequence[str]) -> None:
    """All errors of this app become problem documents; `paths` are those that a lost caller is pointed to."""

    def failed(req: falcon.Request, resp: falcon.Response, _: Exception, params: object) -> None:  # noqa: ARG001
        _log.exception("%s %s failed", req.method, req.path)
        _say(resp, RefusedError(500, "internal", "The controller failed at this request; its log says how."))

    def by_falcon(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: object) -> None:  # noqa: ARG001
        _say(resp, _translated(req, error, paths), error.headers)

    def refused(req: falcon.Request, resp: falcon.Response, error: RefusedError, params: object) -> None:  # noqa: ARG001
        _say(resp, error)

    app.add_error_handler(Exception, failed)
    app.add_error_handler(falcon.HTTPError, by_falcon)
    app.add_error_handler(RefusedError, refused)


def _say(resp: falcon.Response, error: RefusedError, headers: object = None) -> None:
    resp.status = error.status
    resp.content_type = MEDIA_TYPE
    resp.data = json.dumps(document(error), default=str).encode()
    if isinstance(headers, Mapping):
        resp.set_headers(dict(headers))


def _translated(req: falcon.Request, error: falcon.HTTPError, paths: Sequence[str]) -> RefusedError:
    if isinstance(error, falcon.HTTPRouteNotFound):
        near = get_close_matches(req.path, paths, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}? All" if near else "all"
        return RefusedError(
            404, "no-such-path", f"There is nothing at “{req.path[:100]}”: {hint} paths are in /v1/openapi.json."
        )
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        allowed = dict(error.headers or {}).get("Allow", "")
        return RefusedError(
            405,
            "method-not-allowed",
            f"{req.path[:100]} takes {allowed}, not {req.method}.",
            allowed=allowed.split(", "),
        )
    title = (error.title or "Bad request").removeprefix(f"{error.status_code} ")
    slug = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
    return RefusedError(error.status_code, slug, error.description or f"{title}.")
