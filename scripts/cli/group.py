"""How commands are found and how they end: lazily, and each with an exit code that means something."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

import click

APPLIED, REFUSED, USAGE, PENDING, NOBODY, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 3, 4, 130, 141

F = TypeVar("F", bound=Callable[..., Any])


class Refused(click.ClickException):
    """What was asked cannot be: the message says what, why and what to do."""

    exit_code = REFUSED


class Unusable(click.ClickException):
    """Something on this side (a file, a setting) cannot be used, so nobody was asked."""

    exit_code = USAGE


class Nobody(click.ClickException):
    """Nobody answers there: the message says where and what to start."""

    exit_code = NOBODY


class Command(click.Command):
    """A command that shows how it is used. `examples` are whole command lines, without the leading `containet`."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}containet {example}\n")


def command(name: str, *examples: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command, with examples of its use."""
    return click.command(name, cls=Command, examples=examples, **settings)


class Containet(click.Group):
    """The group of all commands. `where` says for each its file and attribute; it is imported when it is needed."""

    def __init__(self, where: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._where = where
        self.params.append(
            click.Option(
                ["--version"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_version,
                help="Say the version.",
            )
        )

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All names, in the order that a newcomer meets them."""
        return list(self._where)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, imported now."""
        if cmd_name not in self._where:
            return None
        module, attribute = self._where[cmd_name].split(":")
        found: click.Command = getattr(import_module(f"scripts.cli.{module}"), attribute)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that went away and Ctrl-C are ends, not errors."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # so that the last flush finds no closed pipe
            ctx.exit(CLOSED_PIPE)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from app import __version__

        click.echo(f"containet {__version__}")
        ctx.exit()
