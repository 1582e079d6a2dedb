"""The whole lab: up, down, and what stands between.

`up` makes everything or undoes what it made; `down` needs to know nothing: whatever runs in a lab is below a keeper,
and keepers are found by their own command line, so a lab that crashed half-made goes the same way.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from signal import Signals
from typing import Any

from scripts.lab import borrowed, engine, image, needs, ours, ovs, underlay
from scripts.lab.command import environment, poll
from scripts.lab.machine import Machine, keepers
from scripts.lab.plan import CONTROLLER, OUTSIDE, UNDERLAY, LabError, Plan

Say = Callable[[str], None]
Start = Callable[[Machine, Plan], None]

ROLES: dict[str, Start] = {  # of a host, in the order in which they need each other
    "ovsdb-server": ovs.start_server,
    "ovs-vswitchd": ovs.start_switch,
    "containerd": engine.start_containerd,
    "dockerd": engine.start_dockerd,
    "helper": ours.start_helper,
}
MEET_S = 30.0  # for switches and helpers to find the controller
KINDS = {UNDERLAY: "plain", OUTSIDE: "plain", CONTROLLER: "controller"}


def together(jobs: Iterable[Callable[[], None]]) -> None:
    """Do all at once; raises the first error when all have ended."""
    with ThreadPoolExecutor(16) as pool:
        for result in [pool.submit(job) for job in jobs]:
            result.result()


class Lab:
    """One lab, by its plan. Knows nothing that is not on disk or in /proc."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.machines = {name: Machine(name, plan.directory) for name in plan.machine_names}

    @classmethod
    def find(cls, name: str) -> "Lab | None":
        """The lab of that name that `up` began, running or not."""
        try:
            return cls(Plan.load(json.loads((Plan(name).directory / "lab.json").read_text())))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    @classmethod
    def open(cls, name: str = "lab") -> "Lab":
        """The lab of that name; raises LabError if there is none."""
        if (lab := cls.find(name)) is None:
            raise LabError(f"There is no lab “{name}”: “containet lab up” makes one.")
        return lab

    def __getitem__(self, name: str) -> Machine:
        """A machine by name; raises LabError with those there are."""
        if name not in self.machines:
            raise LabError(f"There is no “{name}” in the lab “{self.plan.name}”, only {', '.join(self.machines)}.")
        return self.machines[name]

    @property
    def hosts(self) -> tuple[Machine, ...]:
        """h1, h2, ..."""
        return tuple(self.machines[name] for name in self.plan.host_names)

    @property
    def controller(self) -> Machine:
        """What the controller runs under."""
        return self.machines[CONTROLLER]

    @property
    def complete(self) -> bool:
        """Whether every machine lives: a lab that was made to its end."""
        return all(machine.keeper for machine in self.machines.values())

    def start(self, machine: str, role: str) -> None:
        """Start what has this role there and wait until it serves; nothing happens if it runs."""
        begin = ours.start_controller if role == CONTROLLER else ROLES[role]
        begin(self[machine], self.plan)

    def ask(self, resource: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
        """A request to the controller's REST: status and JSON."""
        return ours.ask(self.plan, resource, method, body)

    def replace(self, name: str) -> None:
        """The host is destroyed, and another one made in its place, of the same name and with nothing on it."""
        host, branch = self[name], f"{self.plan.name}/{name}"
        borrowed.thaw(branch)
        host.kill("keeper")
        borrowed.prune(branch)
        shutil.rmtree(host.directory)
        host.boot("host")
        underlay.wire_again(self[UNDERLAY].pid, name, host.pid)
        self._name_everyone(host)
        self._switching(host)
        self._docker(host)
        self.serve()

    # -- up

    def make(self, say: Say) -> None:
        """Everything, from nothing."""
        plan = self.plan
        say(f"{plan.hosts} hosts and what joins them ({plan.subnet})")
        borrowed.enlarge_buffers()
        kinds = {name: KINDS.get(name, "host") for name in self.machines}
        together(partial(self[name].boot, kind) for name, kind in kinds.items())
        underlay.wire(plan, {name: machine.pid for name, machine in self.machines.items()})
        for host in self.hosts:
            self._name_everyone(host)
        say("Open vSwitch, Docker and the image")
        image.write(plan.directory / "image.tar")
        together(job for host in self.hosts for job in (partial(self._switching, host), partial(self._docker, host)))

    def serve(self, say: Say = lambda _: None) -> None:
        """Start what does not run, and wait until all have met."""
        say("the controller and the helpers")
        jobs = [partial(self.start, host.name, role) for host in self.hosts for role in ROLES]
        together([partial(self.start, CONTROLLER, CONTROLLER), *jobs])
        together(partial(underlay.greet, self.plan, host) for host in self.hosts)
        self.meet()

    def meet(self) -> None:
        """Wait until all that runs has met; LabError says who has not."""
        if not poll(lambda: not ours.lacking(self.plan), MEET_S):
            raise LabError(
                f"The lab is not whole after {MEET_S:g} s: {'; '.join(ours.lacking(self.plan))}. "
                f"Does a firewall here keep out {self.plan.interface}? The controller and the helper of h1 said last:\n"
                f"{self.controller.tail(CONTROLLER)}\n{self['h1'].tail('helper')}"
            )

    def _switching(self, host: Machine) -> None:
        ovs.start_server(host, self.plan)
        ovs.start_switch(host, self.plan)

    def _docker(self, host: Machine) -> None:
        engine.start_containerd(host, self.plan)
        engine.start_dockerd(host, self.plan)
        engine.load(host, self.plan.directory / "image.tar")

    def _name_everyone(self, host: Machine) -> None:
        """/etc/hosts, and no DNS: nothing of the lab's leaves this machine."""
        etc = host.root / "etc"
        known = [f"{self.plan.address(name)} {name}" for name in (*self.plan.host_names, OUTSIDE, CONTROLLER)]
        for name, text in {
            "hosts": "\n".join(["127.0.0.1 localhost", "::1 localhost", *known]) + "\n",
            "hostname": f"{host.name}\n",
            "resolv.conf": "# the lab has no DNS: see /etc/hosts\n",
        }.items():
            (etc / name).unlink(missing_ok=True)  # a link to somewhere that the host does not have, perhaps
            (etc / name).write_text(text)


def clear(plan: Plan) -> None:
    """Remove whatever there is of that lab."""
    borrowed.thaw(plan.name)
    while found := keepers(plan.directory):  # again, because one that was just being made had yet to fork
        for keeper in found:
            keeper.signal(Signals.SIGKILL)
        for keeper in found:
            if not keeper.gone(20):
                raise LabError(f"The keeper {keeper.pid} of the lab “{plan.name}” does not end, 20 s after SIGKILL.")
    underlay.unwire(plan)
    borrowed.prune(plan.name)
    shutil.rmtree(plan.directory, ignore_errors=True)
    borrowed.give_back()


def up(
    name: str = "lab",
    hosts: int = 2,
    tunnel: str = "vxlan",
    port: int = 8080,
    ofp_port: int = 6653,
    say: Say = lambda _: None,
    bare: bool = False,
    firewall: bool = False,
) -> None:
    """Make a lab; one that is up already in this shape is made whole. Raises LabError, having undone what it did.

    A `bare` one has neither controller nor helpers: hosts for something else. `firewall` is the engines'.
    """
    plan = Plan(name, hosts, tunnel, port, ofp_port, firewall=firewall)
    needs.check()
    with borrowed.lock(name, waiting=lambda: say(f"waiting: another process is at work on the lab “{name}”")):
        old = Lab.find(name)
        if old and old.complete:
            if not old.plan.same_shape(plan):
                engines = f"engines with{'' if old.plan.firewall else 'out'} a firewall"
                raise LabError(
                    f"The lab “{name}” is up with {old.plan.hosts} hosts over {old.plan.tunnel}, ports {old.plan.port} "
                    f"and {old.plan.ofp_port}, {engines}. Run “containet lab down --name {name}” first, or choose "
                    "another --name."
                )
            say(f"the lab “{name}” is up already")
            old.serve(say)
            return
        if keepers(plan.directory) or plan.directory.exists():
            say("clearing away what an earlier lab left")
            clear(plan)
        needs.free(plan)
        lab = Lab(borrowed.with_subnet(plan))
        try:
            lab.make(say)
            if not bare:
                lab.serve(say)
        except BaseException:
            say("it failed: undoing what was made")
            clear(plan)
            raise


def down(name: str = "lab", say: Say = lambda _: None) -> None:
    """Remove the lab, whatever state it is in; nothing happens if there is none."""
    plan = Plan(name)
    needs.root()
    with borrowed.lock(name, waiting=lambda: say(f"waiting: another process is at work on the lab “{name}”")):
        if not plan.directory.exists() and not keepers(plan.directory):
            say(f"there is no lab “{name}”")
        clear(plan)


def status(name: str = "lab") -> dict[str, Any]:
    """What there is, for people and programs; `up` is false if anything is missing."""
    lab = Lab.find(name)
    if lab is None:
        return {"name": name, "up": False, "hosts": [], "controller": None}
    plan = lab.plan
    machines = {
        machine: {role: {"pid": process.pid, "state": process.state} for role, process in kept.processes().items()}
        for machine, kept in lab.machines.items()
    }
    wanted = [(host, role) for host in plan.host_names for role in ROLES] + [(CONTROLLER, CONTROLLER)]
    whole = all(machines[machine].get(role, {}).get("state") == "up" for machine, role in wanted)
    return {
        "name": name,
        "up": lab.complete and whole,
        "tunnel": plan.tunnel,
        "subnet": str(plan.subnet),
        "rest": f"http://127.0.0.1:{plan.port}",
        "openflow": plan.openflow,
        "logs": str(plan.directory),
        "hosts": [
            {"name": host, "address": str(plan.address(host)), "processes": machines[host]} for host in plan.host_names
        ],
        "controller": {"address": str(plan.address(CONTROLLER)), "processes": machines[CONTROLLER]},
    }


def run(host: str, argv: Sequence[str], name: str = "lab") -> int:
    """Become that command, as if on that host; returns only by raising LabError."""
    needs.root()
    machine = Lab.open(name)[host]
    os.execvpe("nsenter", machine.entered(argv), environment(host))  # noqa: S606 - no shell is wanted
