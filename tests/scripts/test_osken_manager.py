"""The console script as people start it: a process of its own, with applications written for the test."""

import json
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scripts.manager import CONTAINET, MANAGER, PATIENCE_S, READY, Process, free_port

APP = """
from os_ken.base.app_manager import OSKenApp
from os_ken.cfg import CONF
from oslo_config import cfg
CONF.register_cli_opts([cfg.StrOpt("colour", default="red")], group="mine")
class Mine(OSKenApp):
    def start(self):
        super().start()
        self.logger.info("I am %s, %s, %s", __name__, CONF.mine.colour, CONF.wsapi_host)
"""


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def begin(*words: str) -> Process:
        started.append(Process(tmp_path / f"{len(started)}.log", tmp_path, words))
        return started[-1]

    yield begin
    for each in started:
        each.kill()


def fails(directory: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [MANAGER, *words], cwd=directory, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stderr


@pytest.fixture
def app(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(APP)
    return "mine.py"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_a_signal_comes(start: Start, app: str, number: signal.Signals) -> None:
    process = start(app, "--ofp-tcp-listen-port", str(free_port()))
    said = process.wait_for(READY)

    assert "I am mine, red, ['127.0.0.1']" in said
    assert process.end(number) == 0
    assert f"ending: {number.name}" in process.log.read_text()
    assert "Traceback" not in process.log.read_text()


def test_options_of_the_application_stand_on_the_command_line(start: Start, app: str) -> None:
    port = str(free_port())
    words = ["--mine-colour", "blue", "--verbose", app, "--wsapi-host", "::1", "--wsapi-host=127.0.0.1"]

    said = start(*words, "--ofp-tcp-listen-port", port).wait_for(READY)

    assert "I am mine, blue, ['::1', '127.0.0.1']" in said
    assert " DEBUG " in said


def test_options_stand_in_a_file(start: Start, app: str, tmp_path: Path) -> None:
    (tmp_path / "conf").write_text(f"[DEFAULT]\nofp_tcp_listen_port = {free_port()}\n[mine]\ncolour = green\n")

    assert "I am mine, green" in start("--config-file", "conf", app).wait_for(READY)


def test_an_application_may_be_a_module(start: Start) -> None:
    said = start("os_ken.controller.dpset", f"--ofp-tcp-listen-port={free_port()}").wait_for(READY)

    assert "instantiating app os_ken.controller.dpset of DPSet" in said


def test_it_listens_where_it_says(start: Start, app: str) -> None:
    port = free_port()
    start(app, "--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(port)).wait_for(READY)

    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as switch:
        head = switch.recv(8)

    assert head[1] == 0, "it says hello"


def test_a_port_that_is_taken_is_told(app: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        # As another controller has it: eventlet shares its ports.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("0.0.0.0", 0))  # noqa: S104 - where os-ken listens
        other.listen()
        port = other.getsockname()[1]

        code, said = fails(tmp_path, app, "--ofp-tcp-listen-port", str(port))

    assert code == 1
    assert said.splitlines()[-1] == (
        f"osken-manager: cannot wait for switches on 0.0.0.0 port {port}: Address already in use; "
        "does another controller run? Choose another with --ofp-tcp-listen-port"
    )


@pytest.mark.parametrize(
    ("files", "words", "said"),
    [
        ({}, ("nix.py",), "there is no application “nix.py”: neither a file of this name here, nor a module"),
        ({}, ("os_ken.nix",), "there is no application “os_ken.nix”: neither a file"),
        ({}, (".",), "“.” cannot be loaded"),
        ({"empty.py": ""}, ("empty.py",), "“empty.py” has no application: it must define a class made from OSKenApp"),
        ({"broken.py": "import nix"}, ("broken.py",), "“broken.py” cannot be loaded: No module named 'nix'"),
        ({}, (), "which application? Say osken-manager [options] APP"),
        ({"mine.py": APP}, ("mine.py", "--config-file", "nix.conf"), "nix.conf"),
    ],
)
def test_what_cannot_be_started_is_told(
    tmp_path: Path, files: dict[str, str], words: tuple[str, ...], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    code, stderr = fails(tmp_path, *words)

    assert code == 1
    assert stderr.startswith("osken-manager: ")
    assert said in stderr
    assert "Traceback" not in stderr


def test_an_option_that_is_not_there_is_told(tmp_path: Path, app: str) -> None:
    code, said = fails(tmp_path, app, "--nix", "5")

    assert code == 2
    assert "unrecognized arguments: --nix" in said


def test_help_teaches(tmp_path: Path, app: str) -> None:
    done = subprocess.run(
        [MANAGER, app, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )

    for option in (
        "--ofp-tcp-listen-port",
        "--config-file",
        "--verbose",
        "--wsapi-host",
        "--wsapi-port",
        "--mine-colour",
    ):
        assert option in done.stdout
    assert "osken-manager app/containet.py" in re.sub(r"\s+", " ", done.stdout)


def healthz(port: int) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/healthz", timeout=PATIENCE_S) as answer:
        return json.load(answer)


@pytest.mark.parametrize("app", [str(CONTAINET), "app.containet"])
def test_the_controller_serves_from_any_directory(start: Start, tmp_path: Path, app: str) -> None:
    rest, state = free_port(), tmp_path / "new" / "state.db"
    words = [app, "--ofp-tcp-listen-port", str(free_port()), "--wsapi-port", str(rest)]

    process = start(*words, "--containet-state", str(state), "--containet-tunnel", "gre")
    process.wait_for(READY)

    assert healthz(rest)["status"] == "ok"
    assert state.exists()
    assert process.end(signal.SIGTERM) == 0
    assert "Traceback" not in process.log.read_text()


def test_a_second_controller_is_told_who_is_in_its_way(start: Start, tmp_path: Path) -> None:
    rest = str(free_port())
    words = [str(CONTAINET), "--wsapi-port", rest]
    start(*words, f"--ofp-tcp-listen-port={free_port()}", f"--containet-state={tmp_path}/1.db").wait_for(READY)

    code, said = fails(tmp_path, *words, f"--ofp-tcp-listen-port={free_port()}", f"--containet-state={tmp_path}/2.db")

    assert code == 1
    assert f"cannot serve REST on 127.0.0.1 port {rest}" in said.splitlines()[-1]


def test_a_state_file_that_cannot_be_is_told(tmp_path: Path) -> None:
    code, said = fails(
        tmp_path, str(CONTAINET), f"--ofp-tcp-listen-port={free_port()}", "--containet-state=/proc/nix/state.db"
    )

    assert code == 1
    assert said.splitlines()[-1].startswith("containet: the state file /proc/nix/state.db cannot be used: ")


def test_a_tunnel_that_is_not_there_is_told(tmp_path: Path) -> None:
    code, said = fails(tmp_path, str(CONTAINET), "--containet-tunnel", "geneve")

    assert code != 0
    assert "vxlan" in said
