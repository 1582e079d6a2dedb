"""The policy document as bytes: YAML or JSON in, with every complaint at its line; YAML out.

YAML is read by its events, not by a loader, because a policy is plain data: no aliases (a few lines of them make
gigabytes), no tags, no key twice. Plain scalars are what JSON has: `on`, `2024-01-01` and `1:30` are texts
(YAML 1.2, 10.2), and keys are always texts.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from app.api.words import Place, invalid
from app.desk import RefusedError
from app.policy import Policy

DEEPEST = 16  # a policy needs five levels

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser where it is built in: ten times as fast
_SCALARS = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]{1,18}"), int),
    (re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,2})?"), float),
)


def read_yaml(data: bytes) -> Policy:
    """The policy that this YAML says; RefusedError names the line."""
    lines: dict[Place, int] = {}
    return _policy(_Reader(_text(data), lines).document(), lines)


def read_json(data: bytes) -> Policy:
    """The policy that this JSON says; RefusedError names the place."""
    text = _text(data)
    try:
        value = json.loads(text, object_pairs_hook=_each_key_once) if text.strip() else None
    except RecursionError as error:
        raise RefusedError(400, "not-json", "This is nested too deep for a policy.") from error
    except ValueError as error:
        raise RefusedError(400, "not-json", f"The policy is not JSON: {error}.") from error
    return _policy(value, {})


def write_json(policy: Policy) -> bytes:
    """As people would write it: what was not said is not there."""
    return json.dumps(policy.as_json()).encode()


def write_yaml(policy: Policy) -> bytes:
    """As people would write it, in YAML that `read_yaml` reads back as the same."""
    return yaml.dump(policy.as_json(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, encoding="utf-8")


def _policy(value: object, lines: Mapping[Place, int]) -> Policy:
    if value is None:
        raise RefusedError(
            400,
            "empty-policy",
            "The policy is empty: it would take every network and every assignment away. If that is meant, say {}.",
        )
    try:
        return Policy.model_validate(value)
    except ValidationError as error:
        raise invalid(error, Policy.model_json_schema(), lines) from error


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError(400, "not-text", f"The policy is not UTF-8 text: byte {error.start} is wrong.") from error


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key “{key[:40]}” is there twice")
        found[key] = value
    return found


class _Reader:
    """One document out of the events of YAML's parser; notes at which line each place is."""

    def __init__(self, text: str, lines: dict[Place, int]) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self._lines = lines

    def document(self) -> object:
        try:
            self._next()  # the stream starts
            if isinstance(self._next(), yaml.StreamEndEvent):
                return None
            value = self._value(self._next(), ())
            self._next()  # the document ends
            after = self._next()
            if not isinstance(after, yaml.StreamEndEvent):
                _refuse(after, "a second document begins here; a policy is one")
            return value
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
            raise RefusedError(400, "not-yaml", f"The policy is not YAML: {where}{error.problem}.") from error
        except yaml.YAMLError as error:  # a character that YAML does not allow
            raise RefusedError(400, "not-yaml", f"The policy is not YAML: {error}.") from error

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _value(self, event: yaml.Event, place: Place) -> object:
        self._lines[place] = _line(event)
        if isinstance(event, yaml.AliasEvent):
            _refuse(event, f"an alias (*{event.anchor}); write out what it stands for")
        if len(place) > DEEPEST:
            _refuse(event, "this is nested too deep for a policy")
        if isinstance(event, yaml.ScalarEvent):
            if event.implicit[0]:
                return _plain(event.value)
            _refuse_tag(event)
            return event.value
        _refuse_tag(event)
        return self._mapping(place) if isinstance(event, yaml.MappingStartEvent) else self._sequence(place)

    def _mapping(self, place: Place) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                _refuse(event, "a key is a text")
            key = event.value
            if key in found:
                first = self._lines[(*place, key)]
                _refuse(event, f"the key “{key[:40]}” is there twice, first in line {first}")
            found[key] = self._value(self._next(), (*place, key))
            self._lines[(*place, key)] = _line(event)
        return found

    def _sequence(self, place: Place) -> list[object]:
        found: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            found.append(self._value(event, (*place, len(found))))
        return found


def _plain(text: str) -> object:
    return next((make(text) for pattern, make in _SCALARS if pattern.fullmatch(text)), text)


class _Dumper(yaml.SafeDumper):
    """Quotes what the reader would not read back as the same text."""

    def text(self, text: str) -> yaml.Node:
        plain = text.isprintable() and _plain(text) == text
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _Dumper.text)


def _refuse_tag(event: yaml.Event) -> None:
    tag = getattr(event, "tag", None)
    if tag not in (None, "!"):
        _refuse(event, f"the tag {tag[:40]}; a policy has none")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _refuse(event: yaml.Event, what: str) -> NoReturn:
    raise RefusedError(400, "not-a-policy", f"The policy cannot be read: line {_line(event)}: {what}.")
