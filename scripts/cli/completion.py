"""Shell completion: `completion bash|zsh|fish` prints what the shell is to read."""

import click
from click.shell_completion import get_completion_class

from scripts.cli.group import Unusable, command


@command("completion", "completion bash > /etc/bash_completion.d/containet", "completion fish | source")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell.

    It completes commands, options, and the names of containers and hosts that there are.
    """
    found = get_completion_class(shell)
    if found is None:
        raise Unusable(f"This version of click completes nothing in {shell}.")
    root = ctx.find_root().command
    click.echo(found(root, {}, "containet", "_CONTAINET_COMPLETE").source())
