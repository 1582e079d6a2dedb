"""Containet's own processes in the lab: the helper of each host, and the controller."""

import importlib.util
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from scripts.lab.engine import answers
from scripts.lab.machine import Machine
from scripts.lab.plan import BIN, CONTROLLER, LabError, Plan

CONFIG = "/etc/containet/helper.toml"


def start_helper(host: Machine, plan: Plan) -> None:
    """`containet-helper`, its socket answering."""
    path = host.root / CONFIG.lstrip("/")
    path.parent.mkdir(exist_ok=True)
    settings = {
        "host": host.name,
        "vtep": str(plan.address(host.name)),
        "controller": plan.rest,
        "openflow": plan.openflow,
        "datapath_type": "netdev",
    }
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    host.start("helper", (f"{BIN}/containet-helper", "--config-file", CONFIG))
    host.wait("helper", lambda: answers(host.directory / "run/containet/helper.sock", "/v1/status"), "answer")


def start_controller(machine: Machine, plan: Plan) -> None:
    """`osken-manager app/containet.py`, in this machine's own network, its REST answering."""
    config = machine.directory / "containet.conf"
    config.write_text(f"[containet]\ntunnel = {plan.tunnel}\nstate = {machine.directory}/state.db\n")
    argv = (
        f"{BIN}/osken-manager",
        f"--config-file={config}",
        f"--ofp-listen-host={plan.address(CONTROLLER)}",
        f"--ofp-tcp-listen-port={plan.ofp_port}",
        "--wsapi-host=127.0.0.1",
        f"--wsapi-host={plan.address(CONTROLLER)}",
        f"--wsapi-port={plan.port}",
        str(_application()),
    )
    machine.start(CONTROLLER, argv)
    machine.wait(CONTROLLER, lambda: _healthy(plan), "answer")


def _application() -> Path:
    spec = importlib.util.find_spec("app")
    if spec is None or not spec.submodule_search_locations:
        raise LabError("The package “app” is not installed: run scripts/install.sh.")
    return Path(spec.submodule_search_locations[0]) / "containet.py"


def ask(plan: Plan, resource: str, method: str = "GET", body: Any = None, seconds: float = 10) -> tuple[int, Any]:
    """A request to the controller's REST: status, and the JSON of the answer. Raises OSError if it is not there."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{plan.port}{resource}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={} if body is None else {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def _healthy(plan: Plan) -> bool:
    try:
        return ask(plan, "/v1/healthz", seconds=2)[0] == 200
    except (OSError, ValueError):
        return False


def lacking(plan: Plan) -> list[str]:
    """What is still to come until every host is connected and linked with every other, in words."""
    try:
        known = {host["name"]: host for host in ask(plan, "/v1/hosts")[1]}
    except (OSError, ValueError) as error:
        return [f"the controller does not answer ({error})"]
    found = []
    for name in plan.host_names:
        host = known.get(name, {"switch": "away", "helper": "away", "links": [], "pending": True, "errors": []})
        found += [f"the {what} of {name} is away" for what in ("switch", "helper") if host[what] != "connected"]
        peers = {link["peer"] for link in host["links"]}
        found += [f"{name} has no link to {peer}" for peer in plan.host_names if peer not in {*peers, name}]
        found += [f"{name} says: {error}" for error in host["errors"]]
        if host["pending"]:
            found.append(f"{name} has not all that is wanted of it")
    return found
