import dataclasses
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import Signals

import pytest

from scripts.lab.command import poll
from scripts.lab.process import Process, find


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(("sleep", "1000")) as running:
        yield running
        running.kill()


def process_of(child: subprocess.Popen[bytes]) -> Process:
    process = Process.of(child.pid)
    assert process is not None
    return process


def test_a_process_with_another_start_is_not_touched(child: subprocess.Popen[bytes]) -> None:
    stranger = dataclasses.replace(process_of(child), start=1)

    assert stranger.state == "down"
    assert not stranger.signal(Signals.SIGKILL)
    assert stranger.gone(0)
    assert process_of(child).alive


def test_frozen_is_not_down(child: subprocess.Popen[bytes]) -> None:
    process = process_of(child)

    assert process.signal(Signals.SIGSTOP)
    assert poll(lambda: process.state == "frozen", 5)
    assert process.signal(Signals.SIGCONT)
    assert poll(lambda: process.state == "up", 5)


def test_a_child_that_was_killed_leaves_no_zombie(child: subprocess.Popen[bytes]) -> None:
    process = process_of(child)

    assert not process.gone(0)
    assert process.signal(Signals.SIGKILL)
    assert process.gone(5)
    assert not Path(f"/proc/{child.pid}").exists()
    assert not process.signal(Signals.SIGKILL)


FIRST_ENDS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=[1]).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_is_there_until_its_last_thread_has_ended() -> None:
    """As one that was killed and has yet to give back its memory: what it had locked is locked until then."""
    with subprocess.Popen([sys.executable, "-c", FIRST_ENDS]) as child:
        process = process_of(child)
        assert poll(lambda: not process.alive, 5), "its first thread is a zombie"

        assert not process.gone(0)
        assert process.gone(5)


def test_who_is_just_being_taken_apart_is_gone(child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel may say so with another error, for a moment that no test can wait for."""
    process = process_of(child)

    def none(pid: int) -> int:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), pid)

    monkeypatch.setattr(os, "pidfd_open", none)
    assert not process.signal(Signals.SIGCONT)
    assert process.gone(0)


def test_a_zombie_is_down(child: subprocess.Popen[bytes]) -> None:
    process = process_of(child)
    os.kill(child.pid, Signals.SIGKILL)

    assert poll(lambda: process.state == "down", 5)
    assert Path(f"/proc/{child.pid}").exists()


def test_what_is_written_is_read(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "sleep.pid"
    process_of(child).write(path)

    assert Process.read(path) == process_of(child)


@pytest.mark.parametrize("text", ["", "12", "12 x", "1 2 3"])
def test_nonsense_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.pid").write_text(text)

    assert Process.read(tmp_path / "x.pid") is None
    assert Process.read(tmp_path / "absent.pid") is None


def test_found_by_words_from_the_first() -> None:
    with subprocess.Popen(("sleep", "1000.25", "0.5")) as running:
        assert poll(lambda: [found.pid for found in find(("1000.25", "0."))] == [running.pid], 5)
        assert find(("1000.2", "0.5")) == find(("0.5",)) == []
        running.kill()
