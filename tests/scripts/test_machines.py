"""The Vagrantfile and install.sh, as far as that goes without a machine of their own."""

import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, cwd=TOP, capture_output=True, text=True, timeout=120, check=False)


def test_vagrant_takes_the_vagrantfile() -> None:
    done = run("vagrant", "validate", "--ignore-provider")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "validated successfully" in done.stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--host", "Host_1", "--vtep", "10.0.0.3"), "cannot name a host"),
        (("--host", "host1"), "say with --vtep where tunnels end"),
        (("--vtep", "10.0.0.3"), "without --host"),
        (("--tunnel", "ipip"), "say gre or vxlan"),
        (("--controller-url", "10.0.0.3"), "is not a URL"),
        (("--frobnicate",), "is not understood"),
        (("--host",), "needs a value"),
    ],
)
def test_install_refuses_what_it_does_not_understand(words: tuple[str, ...], why: str) -> None:
    done = run("scripts/install.sh", *words)

    assert done.returncode == 2
    assert why in done.stderr


@pytest.mark.parametrize("script", ["install.sh", "demo.sh", "test.sh"])
def test_help_is_told(script: str) -> None:
    done = run(f"scripts/{script}", "--help")

    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: scripts/{script}")
