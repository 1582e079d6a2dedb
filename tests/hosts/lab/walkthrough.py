"""Runs what a document tells people to type, and holds what comes to what is written there.

A block that is fenced as `console` is run, line by line; every other block is only read.

    h1# docker exec web1 ping -c 1 172.15.42.101     run on host h1 of the lab; `outside#` likewise
    h1, h2# docker network rm blue                    run on both, and the same must come
    $ curl -s http://127.0.0.1:8080/v1/hosts          run on this machine, with the lab's own port
    > the next line of the same command               as a shell asks for it
    64 bytes from ...                                 what must come; `...` stands for anything in a line
    ...                                               alone in a line: any lines, or none
    (exit 1)                                          how the command must end, if not with 0

A command with nothing below it may print what it likes. Spaces count as one, for columns are as wide as what they hold.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.lab import Lab
from scripts.lab.command import command
from scripts.lab.plan import OUTSIDE

DOCUMENTED_PORT = "127.0.0.1:8080"
STEP_S = 60.0
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(rf"^(?:(h\d+(?:, h\d+)*|{OUTSIDE})#|\$) (.*)$")
_ANYTHING = re.compile(r"\.\.\.(?!\.)")  # of four dots the first is a dot
_EXIT = re.compile(r"^\(exit (\d+)\)$")


class DocumentError(AssertionError):
    """The document says something else than what happens."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a document. No `machines`: this one; `expected` is None where nothing is written."""

    line: int
    machines: tuple[str, ...]
    command: str
    expected: tuple[str, ...] | None = None
    code: int = 0


def section(text: str, title: str) -> tuple[int, str]:
    """The part of a document under the `##` heading with this title, and the line where it begins."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    at = next((at for at, part in enumerate(parts) if part.splitlines()[0] == f"## {title}"), None)
    if at is None:
        raise DocumentError(f"there is no section “{title}”")
    return sum(part.count("\n") for part in parts[:at]) + 1, parts[at]


def sections(text: str) -> list[str]:
    """The titles of all sections in which something is run; the empty one for what is before the first."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    return [part.splitlines()[0].removeprefix("## ") for part in parts if _BLOCK.search(part)]


def steps(text: str, first_line: int = 1) -> Iterator[Step]:
    """The commands of all console blocks, in order."""
    for block in _BLOCK.finditer(text):
        line = first_line + text[: block.start(1)].count("\n")
        yield from _block_steps(block.group(1).splitlines(), line)


def _block_steps(lines: Sequence[str], first_line: int) -> Iterator[Step]:
    starts = [at for at, line in enumerate(lines) if _PROMPT.match(line)]
    if starts[:1] != [0]:
        raise DocumentError(f"line {first_line}: a console block begins with a prompt")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        prompt = _PROMPT.match(lines[start])
        assert prompt
        body = list(lines[start + 1 : end])
        while body and not body[-1]:
            body.pop()
        code = int(exited[1]) if body and (exited := _EXIT.match(body[-1])) else 0
        if code:
            body.pop()
        more = [line.removeprefix("> ") for line in body if line.startswith("> ")]
        expected = tuple(body[len(more) :])
        typed = "\n".join([prompt[2], *more])
        machines = tuple(prompt[1].split(", ")) if prompt[1] else ()
        yield Step(first_line + start, machines, typed, expected or None, code)


def matches(expected: Sequence[str], lines: Sequence[str]) -> bool:
    """Whether these lines came as written."""
    if not expected:
        return not lines
    if expected[0].strip() == "...":
        return any(matches(expected[1:], lines[at:]) for at in range(len(lines) + 1))
    return bool(lines) and _line_matches(expected[0], lines[0]) and matches(expected[1:], lines[1:])


def _line_matches(expected: str, line: str) -> bool:
    pattern = ".*".join(map(re.escape, _ANYTHING.split(_squeezed(expected))))
    return re.fullmatch(pattern, _squeezed(line)) is not None


def _squeezed(line: str) -> str:
    return re.sub(r"\s+", " ", line).strip()


def walk(lab: Lab, document: Path, title: str | None = None) -> int:
    """Do what the document says, or one section of it; how many commands that were. DocumentError at what is not so."""
    text = document.read_text()
    line, part = (1, text) if title is None else section(text, title)
    todo = tuple(steps(part, line))
    for step in todo:
        for machine in step.machines or ("",):
            _check(step, machine, _run(lab, machine, step), document)
    return len(todo)


def _run(lab: Lab, machine: str, step: Step) -> "subprocess.CompletedProcess[str]":
    if machine:
        return lab[machine].exec("sh", "-c", f"exec 2>&1\n{step.command}", seconds=STEP_S, check=False)
    here = step.command.replace(DOCUMENTED_PORT, f"127.0.0.1:{lab.plan.port}")
    here = here.replace("containet lab exec ", f"containet lab exec --name {lab.plan.name} ")
    address = f"export CONTAINET_CONTROLLER=http://127.0.0.1:{lab.plan.port}"
    return command(("sh", "-c", f"exec 2>&1\n{address}\n{here}"), seconds=STEP_S, check=False)


def _check(step: Step, machine: str, done: "subprocess.CompletedProcess[str]", document: Path) -> None:
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    wanted = None if step.expected is None else [line for line in step.expected if line.strip()]
    if done.returncode == step.code and (wanted is None or matches(wanted, lines)):
        return
    said = "\n".join(wanted or ["(anything)"])
    raise DocumentError(
        f"{document.name}:{step.line}: {f'{machine}#' if machine else '$'} {step.command}\n"
        f"--- written (exit {step.code}):\n{said}\n--- came (exit {done.returncode}):\n{done.stdout.rstrip()}"
    )
