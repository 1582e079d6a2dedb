"""Commands, with a limit of time, a clean environment, and errors that say what the command said."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence

from scripts.lab.plan import PATH, LabError

_KEPT = ("LANG", "LC_ALL", "TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES")


def environment(machine: str) -> dict[str, str]:
    """A clean one: what the terminal needs, and the programs of this installation first."""
    kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
    return {**kept, "PATH": PATH, "HOME": "/root", "USER": "root", "HOSTNAME": machine, "PYTHONUNBUFFERED": "1"}


def command(
    argv: Sequence[str], *, text: str = "", seconds: float = 30, check: bool = True, machine: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run it, `text` on its standard input; raises LabError if it is late, or fails and `check`."""
    words = " ".join(argv)
    try:
        done = subprocess.run(
            argv,
            env=environment(machine),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"“{words}” took more than {seconds:g} s.") from error
    if check and done.returncode:
        raise LabError(
            f"“{words}” failed with {done.returncode}.\n{(done.stderr or done.stdout).strip()}\n{text}".rstrip()
        )
    return done


def poll(done: Callable[[], bool], seconds: float) -> bool:
    """Ask until it says yes; False when the time is up."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True
