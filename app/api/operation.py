"""An operation: a function whose signature says what it takes and gives.

The routes and the OpenAPI document are both made from it, so they cannot differ. A handler's parameters are those of
the path by their names, `query` (a model; a parameter that it does not know is refused) and `body`. It returns a value
(200), None (204), an `Outcome` (202 while a host is pending) or `Lines`, a stream. Its docstring is the description.
An operation may have another beside it, a stream for those who ask for its media type.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Generic, Protocol, TypeVar, get_args, get_origin, get_type_hints

import falcon
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from app.api import body
from app.api.problems import App
from app.api.words import invalid
from app.desk import RefusedError
from app.wire import Outcome

JSON = "application/json"
JSON_LINES = "application/jsonl"
LAST_EVENT_ID = "Last-Event-ID"
SMALL = 64 << 10  # bytes; the limit of a body unless an operation says more

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)
Reader = Callable[[bytes], Any]
Writer = Callable[[Any], bytes]

_log = logging.getLogger(__name__)


class Apart(Protocol):
    """Calls a function where it holds nobody up; what the function raises comes back."""

    def __call__(self, function: Callable[[bytes], T], data: bytes, /) -> T: ...


def here(function: Callable[[bytes], T], data: bytes, /) -> T:
    """The plain `Apart`."""
    return function(data)


class Query(BaseModel):
    """Base of the query models; by itself: no parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(slots=True)
class Lines(Generic[T]):
    """An answer without end: a line of JSON an item. `ended` is called once, however it ends."""

    items: Iterator[T]
    ended: Callable[[], None]


@dataclass(frozen=True)
class Operation:
    """One method of one path; made by `operation`."""

    method: str
    path: str
    handle: Callable[..., Any]
    limit: int
    parameters: type[BaseModel]  # of the path
    query: type[Query]
    body: TypeAdapter[Any] | None
    gives: TypeAdapter[Any] | None  # of a stream: what a line is
    streams: bool
    readers: Mapping[str, Reader]  # by media type
    writers: Mapping[str, Writer]  # the first is for those who ask for nothing in particular
    stream: "Operation | None"  # for those who ask for its media type
    resumes: str | None  # the parameter that the header Last-Event-ID says, for those who come again

    def arguments(self, req: falcon.Request, path: Mapping[str, str], apart: Apart) -> dict[str, Any]:
        """What the handler is called with; RefusedError says what does not fit."""
        found = dict(_checked(self.parameters, path))
        twice = next((name for name, said in req.params.items() if isinstance(said, list)), None)
        if twice is not None:
            raise RefusedError(400, "invalid", f"{twice[:40]}: it is said more than once.")
        last = req.get_header(LAST_EVENT_ID) if self.resumes else None
        query = _checked(self.query, req.params if last is None else {**req.params, str(self.resumes): last})
        if self.query is not Query:
            found["query"] = query
        if self.body is not None:
            found["body"] = self._body(req, apart)
        return found

    def _body(self, req: falcon.Request, apart: Apart) -> Any:
        kind = (req.content_type or "").partition(";")[0].strip().lower()
        reader = self.readers.get(kind)
        if reader is None:
            allowed = " or ".join(self.readers)
            raise RefusedError(
                415,
                "unsupported-media-type",
                f"A body of type “{kind[:100]}” is not understood here: send {allowed}, and say so in Content-Type.",
                allowed=list(self.readers),
            )
        data = body.read(req, self.limit)
        return (apart if len(data) > SMALL else here)(reader, data)


def operation(
    method: str,
    path: str,
    handle: Callable[..., Any],
    *,
    limit: int = SMALL,
    readers: Mapping[str, Reader] | None = None,
    writers: Mapping[str, Writer] | None = None,
    stream: Operation | None = None,
    resumes: str | None = None,
) -> Operation:
    """The operation that `handle` is by its signature; JSON both ways unless readers or writers are given."""
    hints = get_type_hints(handle, include_extras=True)
    returned, query = hints.pop("return"), hints.pop("query", Query)
    taken = TypeAdapter(hints.pop("body")) if "body" in hints else None
    streams = get_origin(returned) is Lines
    if streams:
        (returned,) = get_args(returned)
    gives = None if returned is type(None) else TypeAdapter[Any](returned)
    return Operation(
        method=method,
        path=path,
        handle=handle,
        limit=limit,
        parameters=create_model(handle.__name__, **_required(hints)),
        query=query,
        body=taken,
        gives=gives,
        streams=streams,
        readers=readers or ({JSON: json_reader(taken)} if taken else {}),
        writers=writers or ({JSON_LINES if streams else JSON: json_writer(gives)} if gives else {}),
        stream=stream,
        resumes=resumes,
    )


def _required(hints: Mapping[str, Any]) -> dict[str, Any]:
    return {name: (hint, ...) for name, hint in hints.items()}


def json_reader(adapter: TypeAdapter[Any]) -> Reader:
    """Reads JSON into what the adapter describes; RefusedError in plain words."""
    schema = adapter.json_schema()

    def read(data: bytes) -> Any:
        try:
            return adapter.validate_json(data)
        except ValidationError as error:
            raise invalid(error, schema) from error

    return read


def json_writer(adapter: TypeAdapter[Any]) -> Writer:
    """Writes what the adapter describes as JSON."""
    return lambda value: adapter.dump_json(value, by_alias=True)


def mount(app: App, operations: Iterable[Operation], apart: Apart) -> None:
    """Make the routes."""
    by_path: defaultdict[str, list[Operation]] = defaultdict(list)
    for each in operations:
        by_path[each.path].append(each)
    for path, group in by_path.items():
        responders = {f"on_{each.method.lower()}": _responder(each, apart) for each in group}
        app.add_route(path, SimpleNamespace(**responders))


def _responder(each: Operation, apart: Apart) -> Callable[..., None]:
    kinds = [*each.writers, *(each.stream.writers if each.stream is not None else ())]

    def respond(req: falcon.Request, resp: falcon.Response, **path: str) -> None:
        kind = req.client_prefers(kinds) or kinds[0] if kinds else ""
        asked = each.stream if each.stream is not None and kind in each.stream.writers else each
        value = asked.handle(**asked.arguments(req, path, apart))
        if value is None:
            resp.status = falcon.HTTP_204
            return
        resp.content_type = kind
        if isinstance(value, Lines):
            resp.cache_control = ("no-store",)
            resp.stream = _Stream(value, asked.writers[kind])
            return
        if isinstance(value, Outcome) and value.pending:
            resp.status = falcon.HTTP_202
        resp.data = asked.writers[kind](value)

    return respond


class _Stream:
    """What a WSGI server iterates over, and closes when the client is gone (PEP 3333), even if it never began."""

    def __init__(self, lines: Lines[Any], write: Writer) -> None:
        self._lines, self._write, self._open = lines, write, True

    def __iter__(self) -> "_Stream":
        return self

    def __next__(self) -> bytes:
        try:
            return self._write(next(self._lines.items)) + b"\n"
        except StopIteration:
            raise
        except Exception:
            _log.exception("a stream broke off")
            raise

    def close(self) -> None:
        if self._open:
            self._open = False
            self._lines.ended()


def _checked(model: type[Model], said: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise invalid(error, model.model_json_schema(), status=400) from error
