"""Docker's engine asks the helper for names that it does not know: `dns` in its configuration (daemon.json).

`python -m scripts.engine_dns add|remove FILE`, for `install.sh`. What a person wrote stays; servers that he named are
asked when the helper does not answer. Prints whether the file is another now; exit code 1 if it could not be read.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESOLVER = "169.254.53.53"  # the helper: scripts/helper/net/resolver.py
NOT_USABLE = 1  # exit code

Settings = Mapping[str, Any]


class EngineConfigError(Exception):
    """The file is none that the engine would take, in words."""


def added(settings: Settings) -> Settings:
    """With the helper as the first server."""
    return settings if _servers(settings)[:1] == [RESOLVER] else {**settings, "dns": [RESOLVER, *_others(settings)]}


def removed(settings: Settings) -> Settings:
    """Without it."""
    if RESOLVER not in _servers(settings):
        return settings
    others = _others(settings)
    return {**{key: value for key, value in settings.items() if key != "dns"}, **({"dns": others} if others else {})}


def rewrite(file: Path, change: Callable[[Settings], Settings]) -> bool:
    """Change the file, all at once; whether that made a difference. EngineConfigError, OSError.

    There is none if nothing is said in it.
    """
    before = _read(file)
    after = change(before)
    if after == before:
        return False
    # It may be a link to where somebody keeps it. Only that is followed: realpath leaves /proc/PID/root for here.
    target = file.parent / file.readlink() if file.is_symlink() else file
    if not after:
        target.unlink()
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(target.name + ".new")
    new.write_text(json.dumps(after, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    new.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
    os.replace(new, target)
    return True


def _read(file: Path) -> Settings:
    try:
        text = file.read_text(encoding="utf-8")
        said = json.loads(text) if text.strip() else {}
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise EngineConfigError(f"{file} is not JSON ({error})") from error
    if not isinstance(said, dict) or not isinstance(said.get("dns", []), list):
        raise EngineConfigError(f"{file} is not as Docker's engine reads it")
    return said


def _servers(settings: Settings) -> list[Any]:
    return list(settings.get("dns", []))


def _others(settings: Settings) -> list[Any]:
    return [server for server in _servers(settings) if server != RESOLVER]


def main(words: list[str]) -> int:
    """The exit code."""
    change, file = {"add": added, "remove": removed}[words[0]], Path(words[1])
    try:
        print("changed" if rewrite(file, change) else "as it was")
    except EngineConfigError as error:
        print(error, file=sys.stderr)
        return NOT_USABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
