"""The help teaches, and what it teaches is so."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from scripts.cli import containet
from scripts.cli.group import APPLIED, INTERRUPTED, NOBODY, PENDING, REFUSED, USAGE, Command
from scripts.cli.reference import commands, reference
from tests.scripts.cli.conftest import Cli


def _examples() -> Iterator[tuple[str, str]]:
    for path, command in commands(containet):
        if isinstance(command, Command):
            yield from ((path, example) for example in command.examples)


@pytest.mark.parametrize(
    ("path", "command"), [pair for pair in commands(containet) if not isinstance(pair[1], click.Group)]
)
def test_every_command_has_two_examples(path: str, command: click.Command) -> None:
    assert isinstance(command, Command)
    assert len(command.examples) >= 2, path


@pytest.mark.parametrize(("path", "example"), list(_examples()))
def test_examples_are_understood(path: str, example: str) -> None:
    words = shlex.split(example.partition(" | ")[0].partition(" > ")[0].partition(" < ")[0])
    context = click.Context(containet, info_name="containet")
    group: click.Command = containet
    while isinstance(group, click.Group):
        _, found, words = group.resolve_command(context, words)
        assert found is not None
        group = found
    with group.make_context(path, words, parent=context):
        assert isinstance(group, Command)


def test_no_list_of_commands_cuts_a_sentence() -> None:
    for _, command in commands(containet):
        assert not command.get_short_help_str(66).endswith("..."), command.name


def test_the_reference_is_what_the_commands_say() -> None:
    written = Path(__file__).parents[3] / "docs/cli.md"

    assert written.read_text() == reference(), "write it again: python -m scripts.cli.reference > docs/cli.md"


def test_exit_codes_are_in_the_help(cli: Cli) -> None:
    told = cli("--help").out.partition("Exit codes:")[2].splitlines()
    codes = [int(line.split()[0]) for line in told if line[4:5].isdigit()]
    assert codes == [APPLIED, REFUSED, USAGE, PENDING, NOBODY, INTERRUPTED]


def test_version(cli: Cli) -> None:
    from app import __version__

    assert cli("--version").out == f"containet {__version__}\n"
