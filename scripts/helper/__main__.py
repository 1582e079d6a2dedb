"""`containet-helper`: reads its configuration, makes the bridge, and serves until it is told to stop.

Stopping leaves ports, flows and containers alone: everything goes on without the helper, and it finds all of it again.
"""

import argparse
import fcntl
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import waitress.server

from scripts.helper.attached.host import Host
from scripts.helper.config import DEFAULT_FILE, EXAMPLE, Config, ConfigError, read_config
from scripts.helper.drift import Watch
from scripts.helper.engine import Docker
from scripts.helper.keeper import Keeper
from scripts.helper.line.controller import Controller
from scripts.helper.line.report import Channel
from scripts.helper.line.wants import Wants
from scripts.helper.ovs.revalidator import Revalidator
from scripts.helper.ovs.vswitch import Vswitch, VswitchError
from scripts.helper.people.api import LARGEST_BODY, application
from scripts.helper.people.attach import Attach
from scripts.helper.people.bridging import Bridging
from scripts.helper.people.labelled import Labelled
from scripts.helper.plugin.ipam import IpamDriver
from scripts.helper.plugin.network import NetworkDriver
from scripts.helper.plugin.server import LARGEST_BODY as LARGEST_CALL
from scripts.helper.plugin.server import application as plugin

THREADS = 32  # calls at a time; `wait` holds one for as long as it waits
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
NOT_USABLE, MISSING = 2, 1  # exit codes

log = logging.getLogger("scripts.helper")


def main() -> None:
    """Entry point of the console script."""
    asked = _arguments()
    logging.basicConfig(
        level=logging.DEBUG if asked.verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("urllib3", "waitress", "docker", "ovsdbapp", "pyroute2"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # before there are threads: they inherit it
    try:
        config = read_config(asked.config_file)
        _need_root()
        lock = _alone(config)
        _serve(config)
        lock.close()
    except ConfigError as error:
        sys.exit(_complain(str(error), NOT_USABLE))
    except (MissingError, VswitchError) as error:
        sys.exit(_complain(str(error), MISSING))


class MissingError(Exception):
    """What the helper cannot do without is not there, in words."""


def _serve(config: Config) -> None:
    vswitch = Vswitch(config.ovsdb, config.bridge)
    host, docker = Host(config, vswitch), Docker(config.docker)
    revalidator = Revalidator(config.ovs_directory, config.bridge, vswitch.revalidates_s, host.endpoints.being_made)
    wants = Wants(host, revalidator)
    channel = Channel(Controller(config.controller), config.host, host, wants.begin, wants.take)
    attach = Attach(host, docker, channel)
    labelled = Labelled(attach)
    keeper = Keeper(host, docker, channel, labelled.consider)

    def status() -> Mapping[str, object]:
        connections = {
            "controller": (channel.connected, channel.why),
            "docker": (docker.connected, docker.why),
            "ovs": (vswitch.connected(), "Open vSwitch's database does not answer."),
        }
        said = {name: "connected" if there else "away" for name, (there, _) in connections.items()}
        why = {name: words for name, (there, words) in connections.items() if not there}
        return {"host": config.host, "dpid": f"{config.dpid:#018x}", "vtep": str(config.vtep), **said, "why": why}

    host.prepare()
    keeper.look_at_all()
    revalidator.start()
    wants.start(channel)
    channel.start()
    labelled.start()
    keeper.start()
    Watch(host, keeper, channel).start()
    host.pools.lease_from(channel)
    people = application(attach, Bridging(host, keeper, channel), status)
    _offer(
        "plugin",
        config.plugin,
        plugin(NetworkDriver(host, channel), IpamDriver(host.pools, host.driven)),
        LARGEST_CALL * 2,
    )
    _offer("api", config.socket, people, LARGEST_BODY * 2)
    log.info("%s serves at %s, bridge %s, dpid %#018x", config.host, config.socket, config.bridge, config.dpid)
    gc.collect()
    gc.freeze()  # what is there by now stays: looking through it again and again would hold a call up for 10 ms
    name = signal.Signals(signal.sigwait(STOP_SIGNALS)).name
    with host.alone():  # what is being plugged is plugged
        log.info("%s: the helper ends; ports, flows and containers stay", name)
        for path in (config.socket, config.plugin):
            Path(path).unlink(missing_ok=True)
        docker.close()


def _offer(name: str, path: str, app: object, largest_body: int) -> None:
    """Serve this application on a unix socket, for root only."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    server = waitress.server.create_server(
        app, unix_socket=path, unix_socket_perms="600", threads=THREADS, max_request_body_size=largest_body
    )
    threading.Thread(target=server.run, name=name, daemon=True).start()


def _need_root() -> None:
    if os.geteuid() != 0:
        raise MissingError(
            "containet-helper makes network devices, so it needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN). "
            "Start it with sudo."
        )


def _alone(config: Config) -> IO[str]:
    """The lock that says that no other helper serves this socket; it is held while it is open."""
    path = Path(config.socket + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w", encoding="ascii")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise MissingError(
            f"Another containet-helper serves {config.socket}. Stop it, or set another `socket`."
        ) from error
    except OSError as error:
        raise MissingError(f"{path} cannot be written: {error.strerror}.") from error
    return lock


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="containet-helper",
        description="The process on each host: it makes the bridge, plugs containers into it, tells the controller.\n"
        "`containet connect` on this host asks it. It needs root and Open vSwitch; Docker and the controller may come\n"
        "later, or go and come again.",
        epilog=f"the configuration file:\n\n{EXAMPLE}\n\n"
        "exit codes: 0 told to stop; 1 something is missing (root, Open vSwitch); 2 the configuration cannot be used",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config-file", type=Path, default=DEFAULT_FILE, metavar="FILE", help="TOML; default %(default)s"
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    return parser.parse_args()


def _complain(what: str, code: int) -> int:
    print(f"containet-helper: {what}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
