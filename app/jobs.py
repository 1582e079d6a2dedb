"""A queue of jobs, done one after the other; whoever brings one waits for what comes of it."""

from collections.abc import Callable
from typing import TypeVar

from os_ken.lib import hub

MOST_JOBS = 1024  # that wait: who brings another one waits for a place

T = TypeVar("T")


class Jobs:
    """The queue; `run` does the jobs, in a green thread of its own."""

    def __init__(self) -> None:
        self._waiting = hub.Queue(MOST_JOBS)

    def run(self) -> None:
        """For ever."""
        while True:
            self._waiting.get()()

    def ask(self, job: Callable[[], T]) -> T:
        """Have it done, and give or raise what comes of it."""
        done = hub.Event()
        result: list[T] = []
        failure: list[Exception] = []

        def work() -> None:
            try:
                result.append(job())
            except Exception as error:
                failure.append(error)
            done.set()

        self._waiting.put(work)
        done.wait()
        if failure:
            raise failure[0]
        return result[0]
