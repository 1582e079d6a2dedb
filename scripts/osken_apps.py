"""Loads os-ken applications, reads the command line, and runs them until a signal comes.

An application is a file (`app/containet.py`) or a module (`app.containet`). It is loaded before the command line is
read, so that the options that it registers can stand there. Knows nothing of any application.
"""

import errno
import importlib
import importlib.metadata
import inspect
import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from os_ken import cfg, log, utils
from os_ken.base.app_manager import AppManager, OSKenApp  # registers os-ken's own options
from os_ken.lib import hub, ip
from oslo_config import cfg as oslo

OPENFLOW_APP = "os_ken.controller.ofp_handler"  # listens; needed also where no application asks for OpenFlow's events
OPENFLOW_PORT = 6653
REST_HOST, REST_PORT = "127.0.0.1", 8080
ECHO_INTERVAL_S, MOST_UNREPLIED = 2.0, 3  # a switch that is silent for about 8 s is gone
SHUTDOWN_S = 5.0
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

OPTIONS = [
    oslo.MultiStrOpt("app", positional=True, default=[], help="application: a file, or the name of a module"),
    oslo.MultiStrOpt(
        "wsapi-host", default=[REST_HOST], help="address on which REST is served; may be said several times"
    ),
    oslo.PortOpt("wsapi-port", default=REST_PORT, help="port on which REST is served"),
]
USAGE = "osken-manager [options] APP [APP ...]"
DESCRIPTION = "Starts an OpenFlow controller made of these applications, each a file or the name of a module."
EPILOG = """
“osken-manager app/containet.py” waits for switches on port 6653 and serves REST on 127.0.0.1:8080.
“osken-manager --wsapi-host 127.0.0.1 --wsapi-host 10.0.0.1 app.containet” serves REST on two addresses.
“osken-manager --config-file FILE app.containet” takes options from a file: lines NAME = VALUE below [DEFAULT],
those of an application below its own [NAME]. Name the application to see its options: “osken-manager APP --help”.
"""

_SWITCHES = {"verbose", "use-stderr", "use-syslog"}  # os-ken's options that have no value
_WITHOUT_VALUE = {"-h", "--help", "--version"} | {f"--{no}{name}" for no in ("", "no") for name in _SWITCHES}
_ENDED = b"\0"  # on the signal pipe: no signal, but the OpenFlow server ended
_LOG = logging.getLogger("osken-manager")


class StartError(Exception):
    """Why nothing was started: what is wrong, and what to do."""


class Manager(AppManager):  # type: ignore[misc]
    """os-ken's, but it loads each module once, and says what is wrong with one."""

    def __init__(self) -> None:
        super().__init__()
        self._classes: dict[str, Any] = {}

    def load_app(self, name: str) -> Any:
        """The application class in this file or module; StartError if there is none."""
        if name not in self._classes:
            found = _app_class(_module(name))
            if found is None:
                raise StartError(f"“{name}” has no application: it must define a class made from OSKenApp")
            self._classes[name] = found
        return self._classes[name]


def run(args: Sequence[str]) -> None:
    """Start, and return when a signal came; ends the process with a message if that cannot be."""
    manager = Manager()
    try:
        _configure(manager, args)
        _start(manager)
    except StartError as error:
        sys.exit(f"osken-manager: {error}")
    except OSError as error:
        sys.exit(f"osken-manager: {error if error.filename else error.strerror or error}")


def _configure(manager: Manager, args: Sequence[str]) -> None:
    conf = cfg.CONF
    conf.register_cli_opts(OPTIONS)
    conf.set_default("ofp_tcp_listen_port", OPENFLOW_PORT)  # once it is set, os-ken leaves port 6633 alone
    conf.set_default("ofp_ssl_listen_port", OPENFLOW_PORT)
    conf.set_default("echo_request_interval", ECHO_INTERVAL_S)
    conf.set_default("maximum_unreplied_echo_requests", MOST_UNREPLIED)
    for name in _apps(args):
        manager.load_app(name)
    version = f"with os-ken {importlib.metadata.version('os-ken')}"
    try:
        conf(
            args, "osken-manager", "osken-manager", version, USAGE, description=DESCRIPTION, epilog=EPILOG,
            default_config_files=[],
        )  # fmt: skip
    except oslo.Error as error:
        raise StartError(str(error)) from error
    if not conf.app:
        raise StartError(f"which application? Say {USAGE}; “osken-manager --help” says more")
    log.init_log()
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logging.Formatter(LOG_FORMAT))


def _apps(args: Sequence[str]) -> Iterator[str]:
    """The applications among the arguments, before it is known which options there are.

    An option that is not known here is taken to have a value, as all but os-ken's own switches do.
    """
    left = iter(args)
    for arg in left:
        if arg == "--":
            yield from left
        elif not arg.startswith("-"):
            yield arg
        elif "=" not in arg and arg not in _WITHOUT_VALUE:
            next(left, None)


def _module(name: str) -> ModuleType:
    try:
        module: ModuleType = utils.import_module(name)
    except FileNotFoundError as error:
        raise StartError(f"there is no application “{name}”: {error}") from error
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise StartError(f"“{name}” cannot be loaded: {error}") from error
        raise StartError(
            f"there is no application “{name}”: neither a file of this name here, nor a module that Python finds"
        ) from error
    except OSError as error:
        raise StartError(f"“{name}” cannot be loaded: {error}") from error
    return module


def _app_class(module: ModuleType) -> Any:
    """The first by alphabet of the application classes that this module defines, as os-ken takes it."""
    for _, each in inspect.getmembers(module, inspect.isclass):
        if issubclass(each, OSKenApp) and each.__module__ == module.__name__:
            return each
    return None


def _start(manager: Manager) -> None:
    conf = cfg.CONF
    _check_free(conf.ofp_listen_host, conf.ofp_tcp_listen_port)
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # A signal must not raise in whatever green thread runs: it is written here, and read by this one.
    signal.set_wakeup_fd(writer.fileno())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)

    def watch(service: Any) -> None:
        hub.joinall([service])
        writer.send(_ENDED)

    AppManager._instance = manager  # os-ken's own parts ask for it there
    manager.load_apps([*conf.app, OPENFLOW_APP])
    for service in manager.instantiate_apps(**manager.create_contexts()):
        hub.spawn(watch, service)
    hub.sleep(0)  # they begin, and listen
    _LOG.info("waiting for switches on %s port %d", conf.ofp_listen_host, conf.ofp_tcp_listen_port)
    came = reader.recv(1)
    if came == _ENDED:
        raise StartError("the OpenFlow server ended; the log says why")
    _LOG.info("ending: %s", signal.Signals(came[0]).name)
    with hub.Timeout(SHUTDOWN_S, False):
        manager.close()


def _check_free(host: str, port: int) -> None:
    """OSError if OpenFlow cannot have its port.

    os-ken would say so in its log only; and eventlet listens with SO_REUSEPORT, so that a second controller would
    silently get every other switch.
    """
    family = socket.AF_INET6 if ip.valid_ipv6(host) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            hint = "; does another controller run? Choose another with --ofp-tcp-listen-port"
            raise OSError(
                error.errno,
                f"cannot wait for switches on {host} port {port}: {error.strerror}"
                f"{hint if error.errno == errno.EADDRINUSE else ''}",
            ) from error
