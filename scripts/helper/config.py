"""The helper's configuration file (TOML), read once. ConfigError says what is wrong in it and what is understood."""

import hashlib
import re
import socket
import tomllib
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from app.wire import HostName

DEFAULT_FILE = Path("/etc/containet/helper.toml")
OPENFLOW_PORT = 6653  # IANA
EXAMPLE = """\
host = "host1"                          # name of this host; default: its hostname
vtep = "10.0.0.3"                       # address of this host that tunnels end at
controller = "http://10.0.0.3:8080"     # the controller's REST; default http://127.0.0.1:8080
openflow = "tcp:10.0.0.3:6653"          # the controller's OpenFlow; default: its host, port 6653
bridge = "br-int"                       # the bridge of Open vSwitch that is made
datapath_type = "system"                # "netdev" where the kernel has no module for Open vSwitch
ovsdb = "unix:/run/openvswitch/db.sock"
docker = "unix:///run/docker.sock"
socket = "/run/containet/helper.sock"   # where `containet` on this host asks
plugin = "/run/docker/plugins/containet.sock"  # where Docker's engine asks for networks and addresses
dpid = "0x00000000000000c7"             # of the bridge; default: made from the host's name"""


class ConfigError(Exception):
    """The configuration cannot be used, in words."""


def _own_name() -> str:
    return socket.gethostname().partition(".")[0].lower()


class Config(BaseModel):
    """What the helper is told; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: HostName = Field(default_factory=_own_name, validate_default=True)
    vtep: IPv4Address
    controller: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/?$")] = "http://127.0.0.1:8080"
    openflow: Annotated[str, StringConstraints(pattern=r"^(tcp|ssl):[^\s]+$")] = ""
    bridge: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")] = "br-int"
    datapath_type: Literal["system", "netdev"] = "system"
    ovsdb: Annotated[str, StringConstraints(pattern=r"^(unix|tcp|ssl):.+$")] = "unix:/run/openvswitch/db.sock"
    docker: Annotated[str, StringConstraints(pattern=r"^(unix|tcp)://.+$")] = "unix:///run/docker.sock"
    socket: Annotated[str, StringConstraints(pattern=r"^/.{1,100}$")] = "/run/containet/helper.sock"
    plugin: Annotated[str, StringConstraints(pattern=r"^/.{1,100}$")] = "/run/docker/plugins/containet.sock"
    dpid: Annotated[int, Field(gt=0, lt=1 << 64)] = 0

    @property
    def ovs_directory(self) -> Path:
        """Where Open vSwitch's daemons have their control sockets: beside the database's, if that is a local one."""
        kind, _, path = self.ovsdb.partition(":")
        return Path(path).parent if kind == "unix" else Path("/run/openvswitch")

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, said: dict[str, object]) -> dict[str, object]:
        said = dict(said)
        if isinstance(said.get("dpid"), str):
            said["dpid"] = _number(str(said["dpid"]))
        if "dpid" not in said:
            said["dpid"] = dpid_of(str(said.get("host", _own_name())))
        if "openflow" not in said:
            said["openflow"] = _openflow_of(str(said.get("controller", "http://127.0.0.1:8080")))
        return said


def dpid_of(host: str) -> int:
    """The dpid of a host that was told none: 48 bits of its name's SHA-256, the same again after a new installation."""
    return int.from_bytes(hashlib.sha256(host.encode()).digest()[:6], "big") or 1


def read_config(file: Path) -> Config:
    """The configuration in this file."""
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))
        return Config.model_validate(said)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no {file}. Write it, or name another with --config-file:\n\n{EXAMPLE}") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        wrong = "\n".join(f"  {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{file} cannot be used:\n{wrong}\nWhat is understood:\n\n{EXAMPLE}") from error
    except ValueError as error:
        raise ConfigError(f"{file} is not TOML: {error}.") from error


def _number(text: str) -> int:
    if not re.fullmatch(r"(0x)?[0-9a-fA-F]{1,16}", text):
        raise ValueError(f"dpid “{text[:40]}” is not 1 to 16 hexadecimal digits")
    return int(text, 16)


def _openflow_of(controller: str) -> str:
    host = (urlsplit(controller).hostname or "").replace("localhost", "127.0.0.1")
    try:
        return f"tcp:{ip_address(host)}:{OPENFLOW_PORT}"
    except ValueError as error:
        raise ValueError(
            f"say “openflow” too, as tcp:ADDRESS:{OPENFLOW_PORT}: Open vSwitch does not look up the name “{host}”"
        ) from error
