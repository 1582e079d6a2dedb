import subprocess

import pytest

from tests.scripts.cli.conftest import CONTAINET, Cli, Peer
from tests.scripts.cli.shapes import ENDPOINT, HOST


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_for_this_command(cli: Cli, shell: str) -> None:
    ran = cli("completion", shell)

    assert ran.code == 0
    assert f"_CONTAINET_COMPLETE={shell}_complete" in ran.out


def test_bash_takes_the_script(cli: Cli) -> None:
    ran = subprocess.run(
        ["bash", "-c", f'eval "$({CONTAINET} completion bash)" && complete -p containet'],
        env=cli.env, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "containet" in ran.stdout


def _completed(cli: Cli, *words: str) -> list[str]:
    typed = {"_CONTAINET_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    return [line.partition(",")[2] for line in Cli(cli.env | typed)().out.splitlines() if line]


def test_commands_and_names(cli: Cli, controller: Peer, helper: Peer) -> None:
    controller.answers["GET /v1/endpoints"] = 200, [ENDPOINT, ENDPOINT | {"name": "db1"}]
    controller.answers["GET /v1/hosts"] = 200, [HOST]
    helper.answers["GET /v1/endpoints"] = 200, [ENDPOINT]

    assert _completed(cli, "containet", "dis") == ["disconnect"]
    assert _completed(cli, "containet", "lab", "") == ["down", "exec", "status", "up"]
    assert _completed(cli, "containet", "move", "w") == ["web1"]
    assert _completed(cli, "containet", "flows", "--host", "h") == ["host1"]
    assert _completed(cli, "containet", "disconnect", "") == ["web1"]


def test_nobody_there_is_no_noise(nobody: Cli) -> None:
    assert _completed(nobody, "containet", "move", "") == []
