"""The programs that set up what the kernel filters and translates, and how they fail."""

import shlex
import subprocess
from collections.abc import Sequence

TIMEOUT_S = 10


class NatError(Exception):
    """NAT could not be set up or taken away, in words."""


def nft(script: str) -> None:
    """Have nftables do all of this, in one transaction, or NatError."""
    run(["nft", "-f", "-"], script)


def run(command: Sequence[str], text: str = "", *, refusal_is_none: bool = False) -> str | None:
    """What the command printed; None, or NatError, if it refused."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError as error:
        if command[0] == "nft":
            raise NatError("The program “nft” is missing. Install the package nftables.") from error
        raise
    except subprocess.TimeoutExpired as error:
        raise NatError(f"“{shlex.join(command)}” did not end within {TIMEOUT_S} s.") from error
    if done.returncode == 0:
        return done.stdout
    if refusal_is_none:
        return None
    raise NatError(f"“{shlex.join(command)}” failed: {done.stderr.strip() or 'it did not say why'}")
