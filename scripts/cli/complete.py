"""Names for shell completion, from whoever is there. Nobody there means no names, never a message."""

from collections.abc import Callable
from typing import Any

import click

from scripts.cli.client import Client
from scripts.cli.progress import FIRST_WORD
from scripts.cli.where import controller, helper

PATIENCE = FIRST_WORD * 0.8  # seconds: somebody has a finger on the tab key, and is to see no message

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _completer(whom: Callable[[], Client], path: str, key: str) -> Completer:
    def names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        try:
            document: Any = whom().ask("GET", path, timeout=PATIENCE).document
        except click.ClickException:
            return []
        found = (
            {str(entry.get(key)) for entry in document if isinstance(entry, dict)}
            if isinstance(document, list)
            else set()
        )
        return sorted(name for name in found if name.startswith(incomplete))

    return names


endpoint_names = _completer(controller, "/v1/endpoints", "name")
host_names = _completer(controller, "/v1/hosts", "name")
local_containers = _completer(helper, "/v1/endpoints", "name")
