"""One host's bridge as the rollout knows it, and those that the rollout speaks with."""

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Protocol

from flows.diff import Plan
from flows.flow import Contents, Flow, Key
from flows.model import Intent


class Bridge(Protocol):
    """A connected switch, as the rollout needs it. All raise SwitchGoneError; `apply` RefusedFlowsError too."""

    foreign: int  # flows that are not ours, as of the last `read`

    def read(self) -> Contents:
        """What it holds of ours."""

    def apply(self, change: Plan) -> None:
        """Make the change, whole or not at all."""

    def drop_strays(self) -> None:
        """Delete what the last `read` found with our cookie, but not of our making."""


class Shapers(Protocol):
    """What the rollout tells the helpers before and after a step, so that a rate never is above what it was."""

    def before(self, current: Intent, step: Intent) -> None:
        """Lower what sinks, and wait for it a moment."""

    def settle(self, hosts: Set[str], step: Intent) -> None:
        """Wait until nothing that these switches cached is older than this step."""

    def after(self, before: Intent, step: Intent) -> None:
        """Say what is wanted with this step."""


class Witness(Protocol):
    """Who is told how it goes."""

    def refused(self, host: str, why: str) -> None:
        """Its switch did not take what is wanted; said once."""

    def found(self, host: str, foreign: int) -> None:
        """Its switch was read, and has so many flows of others."""

    def stood(self, host: str, changes: int) -> None:
        """Its switch has what is wanted, and so many changes of others were put right with that."""


class Nobody:
    """The witness who does not care."""

    def refused(self, host: str, why: str) -> None:
        """Does nothing."""

    def found(self, host: str, foreign: int) -> None:
        """Does nothing."""

    def stood(self, host: str, changes: int) -> None:
        """Does nothing."""


@dataclass
class Station:
    """One host's bridge. `stands` is the generation that it is known to have.

    It `has` what this intent compiles to, and `leftovers`: what was found there and is not wanted, which goes when
    sweeping begins, and not before. Nothing is known of what it has (None) until it was read.
    """

    bridge: Bridge | None = None
    has: Intent | None = None
    leftovers: Contents = field(default_factory=Contents)
    behind: bool = True
    busy: bool = False  # a push is under way
    late: bool = False  # nobody waits for that push any more
    stands: int = -1
    drifts: int = 0  # changes by others since it stood
    spoilt: dict[Key, Flow] = field(default_factory=dict)  # those beside which it `has` all: as they are now, or were
    error: str | None = None
