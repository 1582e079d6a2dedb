"""What the controller is told at its start: options in os-ken's own configuration, read once into a frozen `Config`.

They stand on the command line (`--containet-tunnel gre`), in the file that `--config-file` names (section
`[containet]`), or in the environment (`OS_CONTAINET__TUNNEL=gre`), where the first that is there wins.
"""

from dataclasses import dataclass
from typing import Any

from os_ken import cfg
from oslo_config import cfg as oslo

from flows.model import Tunnel

GROUP = "containet"
MOST_SETTLE_S = 3600.0
# For gc.set_threshold. Flows are made by the hundred thousand and have no cycles: to look for some in all that there is
# takes half of the speed, so that is done hardly ever. To look through many things at once holds everybody up: through
# 100,000 for 12 ms, through 15,000 for 2 ms, as long as a turn. And those 15,000 are at hand still: looked through with
# as few at a time, all flows of a bridge take two thirds of the time.
COLLECT = (5_000, 2, 8_000)

OPTIONS = [
    oslo.StrOpt(
        "state",
        default="/var/lib/containet/state.db",
        help="file in which the controller keeps policy and ids (SQLite; made if it is not there)",
    ),
    oslo.StrOpt(
        "tunnel",
        default=Tunnel.VXLAN.value,
        choices=[tunnel.value for tunnel in Tunnel],
        help="how the bridges of two hosts are joined",
    ),
    oslo.FloatOpt(
        "settle",
        default=10.0,
        min=0.0,
        max=MOST_SETTLE_S,
        help="seconds that the known hosts have to report after a start, before flows that nobody wants are deleted",
    ),
]


@dataclass(frozen=True)
class Config:
    """The options as values. `settle` in seconds."""

    state: str
    tunnel: Tunnel
    settle: float
    wsapi_hosts: tuple[str, ...]
    wsapi_port: int


def register(conf: Any = cfg.CONF) -> None:
    """Make the options known; before the command line is read."""
    conf.register_cli_opts(OPTIONS, group=GROUP)


def read(conf: Any = cfg.CONF) -> Config:
    """The options as they were given. `wsapi-host` and `wsapi-port` are registered by `osken-manager`."""
    ours = conf[GROUP]
    return Config(
        state=ours.state,
        tunnel=Tunnel(ours.tunnel),
        settle=ours.settle,
        wsapi_hosts=tuple(conf.wsapi_host),
        wsapi_port=conf.wsapi_port,
    )
