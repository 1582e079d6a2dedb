"""Words of the command line that are checked before anybody is asked, and options that several commands have."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from flows.model import HIGHEST_VLAN, LOWEST_VLAN
from flows.rate import parse_rate

F = TypeVar("F", bound=Callable[..., Any])


def _vlan(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and LOWEST_VLAN <= int(text) <= HIGHEST_VLAN):
        raise click.BadParameter(f"“{text[:40]}” is not a VLAN: say a number from {LOWEST_VLAN} to {HIGHEST_VLAN}.")
    return int(text)


def _rate(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    try:
        if text is not None:
            parse_rate(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error
    return text


def vlan_option(text: str, *, required: bool = False) -> Callable[[F], F]:
    """`--vlan`, with what it means for this command."""
    return click.option("--vlan", metavar="N", callback=_vlan, required=required, help=text)


def rate_options(function: F) -> F:
    """`--up` and `--down`, as the container sees them."""
    understood = "800kbit, 10mbit, 1.5gbit or none."
    down = click.option("--down", metavar="RATE", callback=_rate, help=f"What it may receive: {understood}")
    up = click.option("--up", metavar="RATE", callback=_rate, help=f"What the container may send: {understood}")
    return up(down(function))


def output_option(function: F) -> F:
    """`-o json`: exactly what the API answered."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Tables for people, or exactly the JSON of the API for programs.",
    )(function)


def interface_option(text: str) -> Callable[[F], F]:
    """`--interface`, with what it means for this command."""
    return click.option("--interface", metavar="NAME", help=text)
