"""The OpenAPI 3.1 document, made from the operations and the types in their signatures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

import app
from app.api.operation import JSON, LAST_EVENT_ID, Operation, operation
from app.api.problems import MEDIA_TYPE, Problem
from app.wire import Outcome

REFERENCE = "#/components/schemas/{model}"
_PROBLEMS = {  # where they can come from
    "400": "The request is not well-formed, or a parameter is not understood.",
    "404": "What the path names is not there.",
    "408": "The body did not come in time.",
    "409": "It is in conflict with what is: an ambiguous name, a stale session, an address in use.",
    "413": "The body is too big.",
    "415": "The body is of a type that is not understood.",
    "422": "The body does not say what is wanted; `errors` lists what and where.",
    "503": "The controller takes no more streams.",
    "default": "Any other problem.",
}
_PENDING = "Accepted: the hosts that `pending` names have it not yet."

Key = tuple[int, Literal["in", "out", "stream"]]
Mode = Literal["validation", "serialization"]


def operations(others: Sequence[Operation]) -> list[Operation]:
    """The document, over all these operations and itself."""
    made: dict[str, Any] = {}

    def get_openapi() -> dict[str, Any]:
        """This document."""
        return made

    itself = operation("GET", "/v1/openapi.json", get_openapi)
    made.update(document([*others, itself]))
    return [itself]


def document(described: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    inputs: list[tuple[Any, Mode, TypeAdapter[Any]]] = [("problem", "serialization", TypeAdapter(Problem))]
    for number, each in enumerate(described):
        if each.body is not None:
            inputs.append(((number, "in"), "validation", each.body))
        if each.gives is not None:
            inputs.append(((number, "out"), "serialization", each.gives))
        if each.stream is not None and each.stream.gives is not None:
            inputs.append(((number, "stream"), "serialization", each.stream.gives))
    schemas, definitions = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE)
    by_key = {key: schema for (key, _), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for number, each in enumerate(described):
        paths.setdefault(each.path, {})[each.method.lower()] = _described(
            each, by_key.get((number, "in")), by_key.get((number, "out")), by_key["problem"]
        )
        if each.stream is not None:
            _stream_beside(paths[each.path][each.method.lower()], each.stream, by_key[number, "stream"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Containet",
            "version": app.__version__,
            "description": "Joins the Docker containers of several hosts. Errors are problem documents (RFC 9457).",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": definitions.get("$defs", {})},
    }


def _described(each: Operation, taken: Any, given: Any, problem: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": each.handle.__name__,
        "tags": [each.path.split("/")[2]],
        "summary": (each.handle.__doc__ or "").partition("\n")[0],
        "parameters": [
            *_parameters("path", each.parameters.model_json_schema()),
            *_parameters("query", each.query.model_json_schema()),
        ],
        "responses": {
            **_answers(each, given),
            **{
                status: {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": problem}}}
                for status in _problems(each)
            },
        },
    }
    if taken is not None:
        content = {media_type: {"schema": taken} for media_type in each.readers}
        said["requestBody"] = {"required": True, "description": f"{each.limit} bytes at most.", "content": content}
    return said


def _stream_beside(said: dict[str, Any], stream: Operation, given: Any) -> None:
    """The same operation as a stream: its media type, and where it goes on for those who come again."""
    answer = said["responses"]["200"]
    answer["content"] |= {media_type: {"schema": given} for media_type in stream.writers}
    answer["description"] += f" As {' or '.join(stream.writers)}: a stream, until somebody ends it."
    if stream.resumes is not None:
        again = f"Of a stream that broke off: says `{stream.resumes}`, and goes before it."
        schema = {"type": "string"}
        said["parameters"].append({"name": LAST_EVENT_ID, "in": "header", "description": again, "schema": schema})
    said["responses"]["503"] = {**said["responses"]["default"], "description": _PROBLEMS["503"]}


def _parameters(place: str, schema: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    required = schema.get("required", ())
    for name, what in schema.get("properties", {}).items():
        inner = {key: value for key, value in what.items() if key not in {"title", "description"}}
        described = {"description": what["description"]} if "description" in what else {}
        yield {"name": name, "in": place, "required": name in required, **described, "schema": inner}


def _answers(each: Operation, given: Any) -> dict[str, Any]:
    if each.gives is None:
        return {"204": {"description": "Done."}}
    content = {media_type: {"schema": given} for media_type in each.writers}
    meaning = "A stream: one of these a line, until one end ends it." if each.streams else "The answer."
    answers = {"200": {"description": meaning, "content": content}}
    returned = each.gives._type
    if not each.streams and Outcome in (returned, *get_args(returned)):
        outcome = {"$ref": REFERENCE.format(model=Outcome.__name__)}
        answers["200"]["description"] = "Applied: every switch and helper concerned has it."
        answers["202"] = {"description": _PENDING, "content": {JSON: {"schema": outcome}}}
    return answers


def _problems(each: Operation) -> list[str]:
    found = {"400", "default"}
    if each.parameters.model_fields or each.query.model_fields:
        found |= {"404", "409"}
    if each.body is not None:
        found |= {"404", "408", "409", "413", "415", "422"}
    if each.streams:
        found.add("503")
    return sorted(found)
