"""How long a process was not let run, which is how a machine that stands looks from inside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from scripts.lab.stalls import Stalls, while_going

WATCHING = """
from scripts.lab.stalls import Stalls, while_going
with Stalls() as stalls:
    print(flush=True)
    input()
print(stalls.seconds)
"""


@pytest.fixture
def watching() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", WATCHING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def stood(process: "subprocess.Popen[str]") -> float:
    said, _ = process.communicate("\n", timeout=5)
    return float(said)


def test_a_stall_is_as_long_as_it_was(watching: "subprocess.Popen[str]") -> None:
    with Stalls() as ours:
        time.sleep(0.1)
        os.kill(watching.pid, signal.SIGSTOP)
        began = time.monotonic()
        time.sleep(0.3)
        lasted = time.monotonic() - began
        os.kill(watching.pid, signal.SIGCONT)
        time.sleep(0.1)
        seen = stood(watching)

    assert lasted - 0.05 <= seen <= lasted + 0.2 + ours.seconds


def test_a_machine_that_goes_has_none(watching: "subprocess.Popen[str]") -> None:
    with Stalls() as ours:
        time.sleep(0.3)
        seen = stood(watching)

    assert seen < 0.1 + ours.seconds  # this machine may well stand, but then for both


def test_the_affinity_of_who_asks_stays_his() -> None:
    before = os.sched_getaffinity(0)
    with Stalls():
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before


def test_what_was_reached_in_the_time_that_the_machine_went() -> None:
    assert while_going(90, 4, 0) == 90
    assert while_going(90, 4, 0.4) == 100
    assert while_going(90, 4, 3.9) == 180, "of half of the time at the least"
