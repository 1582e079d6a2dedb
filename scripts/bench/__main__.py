"""Runs benchmarks, one after the other; see scripts/bench.sh."""

import importlib
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

from scripts.bench.asked import Asked, AskedError, asked
from scripts.bench.page.document import listed, write
from scripts.bench.page.notebook import Notebook
from scripts.bench.page.record import Record, about
from scripts.lab import LabError
from scripts.lab.needs import check


def main(words: list[str]) -> int:
    """Exit code: 2 for what was not understood, 1 if a benchmark broke."""
    try:
        wanted = asked(words)
    except AskedError as error:
        print(f"bench.sh: {error}; --help says what is", file=sys.stderr)
        return 2
    try:
        check()
    except LabError as error:
        print(f"bench.sh: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that labs are taken down
    broken = [name for name in wanted.benchmarks if not measured(name, wanted)]
    if broken:
        print(f"bench.sh: broken: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


def measured(name: str, wanted: Asked) -> bool:
    """Run one, show what it read, and write it down at once; whether it went to its end."""
    notebook = Notebook(name, wanted.quick, partial(say, time.monotonic(), name))
    here = about()
    notebook.say(f"begins; the load of the machine is {here.load:g}")
    run: Callable[..., None] = importlib.import_module(f"scripts.bench.measures.{name}").run
    try:
        if name == "scale":
            run(notebook, wanted.networks)
        else:
            run(notebook)
    except (LabError, OSError) as error:
        print(listed(Record(name, here, wanted.quick, tuple(notebook.figures()))), flush=True)
        print(f"bench.sh: {name} broke off: {error}", file=sys.stderr)
        return False
    record = Record(name, here, wanted.quick, tuple(notebook.figures()))
    print(listed(record), flush=True)
    if wanted.to is not None:
        write(wanted.to, record)
        notebook.say(f"written to {wanted.to}/benchmarks.md")
    return True


def say(began: float, name: str, words: str) -> None:
    """Progress, on standard error: the figures are what a program would read."""
    print(f"{time.monotonic() - began:6.0f} s  {name}: {words}", file=sys.stderr, flush=True)


sys.exit(main(sys.argv[1:]))
