"""Validation errors in plain words: where (networks.blue.vlan), what was given, and what is allowed there."""

import json
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.desk import RefusedError
from flows.model import HIGHEST_VLAN, HIGHEST_VNI, LOWEST_VLAN
from flows.rate import UNDERSTOOD

Schema = Mapping[str, Any]
Place = tuple[int | str, ...]
MOST_ERRORS = 20  # told at once; nobody reads more

_HOST = "a host name has 1 to 32 lower-case letters, digits and dashes, no dash at an end"
_NETWORK = (
    "a network name has 1 to 63 lower-case letters, digits, dots, dashes, underscores; letter or digit at the ends"
)
_ABOUT = {  # what a field takes, by its name
    "vlan": f"a vlan is a whole number from {LOWEST_VLAN} to {HIGHEST_VLAN}",
    "vni": f"a vni is a whole number from 1 to {HIGHEST_VNI}",
    "up": UNDERSTOOD,
    "down": UNDERSTOOD,
    "host": _HOST,
    "tunnels": _HOST,
    "peer": _HOST,
    "networks": _NETWORK,
    "label": "a label is KEY or KEY=VALUE",
    "interface": "an interface name has 1 to 15 letters, digits, dots, dashes and underscores",
    "container": "a container is Docker's id, or netns:NAME",
    "subnet": "a subnet is an IPv4 network such as 172.15.42.0/24",
    "gateway": "a gateway is an IPv4 address such as 172.15.42.1",
    "subnet6": "an IPv6 subnet is a network such as fd00:42::/64",
    "gateway6": "an IPv6 gateway is an address such as fd00:42::1",
}
_SUBNETS: Mapping[str | None, type[IPv4Network] | type[IPv6Network]] = {
    _ABOUT["subnet"]: IPv4Network,
    _ABOUT["subnet6"]: IPv6Network,
}
_KINDS = {  # what a kind of error means, by pydantic's name for it
    "string_type": "a text is wanted, not {given}",
    "int_type": "a whole number is wanted, not {given}",
    "int_parsing": "a whole number is wanted, not {given}",
    "int_from_float": "a whole number is wanted, not {given}",
    "bool_parsing": "true or false is wanted, not {given}",
    "model_type": "keys and values are wanted, not {given}",
    "dict_type": "keys and values are wanted, not {given}",
    "list_type": "a list is wanted, not {given}",
    "tuple_type": "a list is wanted, not {given}",
    "greater_than_equal": "{given} is too small: {ge} or more",
    "greater_than": "{given} is too small: more than {gt}",
    "less_than_equal": "{given} is too big: {le} at most",
    "less_than": "{given} is too big: less than {lt}",
    "too_short": "too few: {min_length} at least",
    "too_long": "too many: {max_length} at most",
    "string_too_short": "too short: {min_length} characters at least",
    "string_too_long": "too long: {max_length} characters at most",
    "enum": "{given} is not allowed: say {expected}",
    "literal_error": "{given} is not allowed: say {expected}",
    "union_tag_not_found": "its {discriminator} is missing",
    "union_tag_invalid": "“{tag}” is not allowed as its {discriminator}: say one of {expected_tags}",
    "ip_v4_address": "{given} is not an IPv4 address such as 172.15.42.1",
    "ip_v4_interface": "{given} is not an IPv4 address with prefix such as 172.15.42.100/24",
    "ip_v6_address": "{given} is not an IPv6 address such as fd00:42::1",
    "ip_v6_interface": "{given} is not an IPv6 address with prefix such as fd00:42::100/64",
}


def invalid(
    error: ValidationError, schema: Schema, lines: Mapping[Place, int] | None = None, status: int = 422
) -> RefusedError:
    """The refusal of a value that does not fit `schema`; `lines` leads from a place to its line in the text."""
    found = error.errors(include_url=False)
    if found[0]["type"] == "json_invalid":
        return RefusedError(400, "not-json", f"This is not JSON: {found[0]['ctx']['error']}.")
    errors: list[dict[str, object]] = []
    for detail in found[:MOST_ERRORS]:
        place, node = _follow(schema, detail["loc"])
        told: dict[str, object] = {"where": _dotted(place), "what": _what(detail, place, node)}
        if lines:
            told["line"] = next(lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines)
        errors.append(told)
    first = errors[0]
    where = ", ".join(str(part) for part in (f"line {first['line']}" if lines else "", first["where"]) if part)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return RefusedError(status, "invalid", f"{where}: {first['what']}{more}".removeprefix(": "), errors=errors)


def shown(given: object) -> str:
    """A value as it is quoted back: texts in quotes and shortened, whole structures by their kind."""
    match given:
        case str():
            short = given[:40].encode(errors="replace").decode()  # JSON may hold half a character (\\ud800)
            return f"“{short}{'…' if len(given) > 40 else ''}”"
        case list() | tuple():
            return "a list"
        case dict():
            return "keys and values"
        case None:
            return "nothing"
        case _:
            return json.dumps(given, default=str)[:40]


def _what(detail: ErrorDetails, place: Place, node: Schema) -> str:
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    is_key = detail["loc"][-1:] == ("[key]",)
    fields = [part for part in place[: -1 if is_key else None] if isinstance(part, str)]
    about = _ABOUT.get(fields[-1]) if fields and (is_key or node.get("type") not in {"object", "array"}) else None
    match kind:
        case "missing":
            return f"it is missing: {about}" if about else "it is missing"
        case "extra_forbidden":
            return f"nobody knows this here; what is known: {', '.join(node.get('properties', ())) or 'nothing'}"
        case "value_error" if about not in _SUBNETS:
            return str(context["error"])
    if about in _SUBNETS:
        about = _zero_bits(given, _SUBNETS[about]) or about
    if about:
        return f"{shown(given)} is not understood: {about}"
    if kind in _KINDS:
        return _KINDS[kind].format_map({**context, "given": shown(given)})
    return detail["msg"]


def _zero_bits(given: object, kind: type[IPv4Network] | type[IPv6Network]) -> str:
    """The subnet that somebody meant who wrote an address of it."""
    try:
        meant = kind(str(given), strict=False)
    except ValueError:
        return ""
    return f"the bits behind the prefix are not zero; did you mean {meant}?"


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _follow(schema: Schema, loc: Place) -> tuple[Place, Schema]:
    """Pydantic's place without what only pydantic knows (tags of unions), and the last schema on the way to it."""
    defs, node, place = schema.get("$defs", {}), schema, []
    for part in loc:
        options = list(_options(node, defs))
        tagged = next((o for o in options if o.get("properties", {}).get("kind", {}).get("const") == part), None)
        if tagged is not None and len(options) > 1:
            node = tagged
        elif part != "[key]":
            place.append(part)
            node = next((inner for o in options if (inner := _inner(o, part)) is not None), options[0])
    return tuple(place), next(_options(node, defs))


def _options(node: Schema, defs: Schema) -> Iterator[Schema]:
    if "$ref" in node:
        node = defs[node["$ref"].rpartition("/")[2]]
    branches = node.get("anyOf") or node.get("oneOf")
    if not branches:
        yield node
        return
    for branch in branches:
        if branch.get("type") != "null":
            yield from _options(branch, defs)


def _inner(node: Schema, part: int | str) -> Schema | None:
    if isinstance(part, int):
        inner = node.get("items")
    else:
        inner = node.get("properties", {}).get(part) or node.get("additionalProperties")
        patterned = node.get("patternProperties")
        if not isinstance(inner, Mapping) and patterned:
            inner = next(iter(patterned.values()))
    return inner if isinstance(inner, Mapping) else None
