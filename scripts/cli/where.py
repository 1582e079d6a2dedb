"""Where controller and helper are: environment, else the helper's configuration file, else the defaults."""

import os
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from scripts.cli.client import CONNECT_TIMEOUT, Client, UnixConnection
from scripts.cli.group import Unusable

CONFIG = Path("/etc/containet/helper.toml")
CONTROLLER = "http://127.0.0.1:8080"
SOCKET = "/run/containet/helper.sock"
SCHEMES = {"http": HTTPConnection, "https": HTTPSConnection}


def controller(config: Path = CONFIG) -> Client:
    """The controller, for what is about all hosts; Unusable if its address is none."""
    url = os.environ.get("CONTAINET_CONTROLLER") or _configured("controller", config) or CONTROLLER
    start = "Start it (osken-manager app.containet), or say where it is with CONTAINET_CONTROLLER=http://HOST:PORT."
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.scheme not in SCHEMES:
        raise Unusable(f"The controller's address is “{url[:80]}”: say it as http://HOST:PORT (CONTAINET_CONTROLLER).")
    connection = partial(SCHEMES[parts.scheme], host, port, timeout=CONNECT_TIMEOUT)
    return Client("controller", url, start, connection, parts.path.rstrip("/"))


def helper(config: Path = CONFIG) -> Client:
    """The helper of this host, for what is about its containers."""
    path = os.environ.get("CONTAINET_SOCKET") or _configured("socket", config) or SOCKET
    return Client("helper", path, "Start it on this host, as root: containet-helper.", partial(UnixConnection, path))


def _configured(key: str, config: Path) -> str | None:
    import tomllib  # 2 ms that are not spent where the environment says it

    try:
        value = tomllib.loads(config.read_text(encoding="utf-8")).get(key)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unusable(f"{config} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Unusable(f"{config} is not TOML: {error}.") from error
    if value is not None and not isinstance(value, str):
        raise Unusable(f"“{key}” in {config} is not a text: write it in quotes.")
    return value
