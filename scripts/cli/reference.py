"""Writes docs/cli.md from the commands themselves: `python -m scripts.cli.reference > docs/cli.md`."""

from collections.abc import Iterator

import click

from scripts.cli import containet

WIDTH = 100
HEAD = """\
# The command line

Written from the commands' own help by `python -m scripts.cli.reference`; `containet COMMAND --help` says the same.
"""


def commands(group: click.Group, path: str = "containet") -> Iterator[tuple[str, click.Command]]:
    """The group and everything in it, by what is typed."""
    context = click.Context(group, info_name=path)
    yield path, group
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif command is not None:
            yield f"{path} {name}", command


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    for path, command in commands(containet):
        context = click.Context(command, info_name=path, max_content_width=WIDTH, terminal_width=WIDTH)
        parts.append(f"## {path}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
