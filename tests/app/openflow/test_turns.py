"""Long work gives others their turn, also when there is much of it. In green threads, as the controller runs."""

import os
import subprocess
import sys

MANY_WORKS = """
from os_ken.lib import hub

from app.openflow import turns

turns.TURN_S = 0.0
said = []

def work(number):
    for _ in range(20):
        said.append("work")
        yield
    return number

def other():
    while True:
        said.append("other")
        hub.sleep(0)

hub.spawn(other)
made = []
hub.joinall([hub.spawn(lambda number=number: made.append(turns.in_turns(work(number)))) for number in range(30)])
began = 30  # each begins at once
rest = "".join("w" if each == "work" else "." for each in said[began + 1 :])
print(sorted(made) == list(range(30)), max(map(len, rest.split("."))))
"""


def test_of_many_that_do_long_work_one_has_a_turn_before_others_have() -> None:
    environment = os.environ | {"OSKEN_HUB_TYPE": "eventlet"}

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MANY_WORKS], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True", "1"]
