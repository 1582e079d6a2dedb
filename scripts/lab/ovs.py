"""Open vSwitch on one host: ovsdb-server, ovs-vswitchd with the userspace datapath, and br-phy.

br-phy is an ordinary learning bridge that owns the underlay NIC; the host's underlay address sits on it, and native
tunnels on other bridges go out through it. It must come before any tunnel.
"""

from scripts.lab.machine import Machine
from scripts.lab.plan import OUTSIDE, UNDERLAY_MTU, Plan
from scripts.lab.underlay import NIC, PHY, ip

DATABASE = "/run/openvswitch/conf.db"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
SERVER = (
    "ovsdb-server",
    DATABASE,
    "--remote=punix:/run/openvswitch/db.sock",
    "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
    "--pidfile",
    "-vconsole:info",
    "-vsyslog:off",
)
SWITCH = (
    "ovs-vswitchd",
    "unix:/run/openvswitch/db.sock",
    "--pidfile",
    "--disable-system-route",
    "-vconsole:info",
    "-vsyslog:off",
)


def start_server(host: Machine, _: Plan) -> None:
    """ovsdb-server, with an empty database the first time."""
    database = host.directory / DATABASE.lstrip("/")
    if not database.exists():
        database.parent.mkdir()
        host.exec("ovsdb-tool", "create", DATABASE, SCHEMA)
    host.start("ovsdb-server", SERVER)
    ready = ("ovs-appctl", "--timeout=2", "-t", "ovsdb-server", "version")
    host.wait("ovsdb-server", lambda: host.exec(*ready, check=False).returncode == 0, "answer")
    host.exec("ovs-vsctl", "--no-wait", "init")


def start_switch(host: Machine, plan: Plan) -> None:
    """ovs-vswitchd, br-phy, and the host's address on it, whose interface is made anew at every start."""
    host.start("ovs-vswitchd", SWITCH)
    bridge = ("--may-exist", "add-br", PHY, "--", "set-fail-mode", PHY, "standalone")
    kind = ("set", "bridge", PHY, "datapath_type=netdev")
    port = ("--may-exist", "add-port", PHY, NIC)
    host.exec("ovs-vsctl", "--no-wait", *bridge, "--", *kind, "--", *port)
    host.wait("ovs-vswitchd", (host.root / "sys/class/net" / PHY).exists, f"make {PHY}")
    ip(
        host.pid,
        [
            f"link set {PHY} mtu {UNDERLAY_MTU} up",
            f"address replace {plan.address(host.name)}/{plan.subnet.prefixlen} dev {PHY}",
            f"route replace default via {plan.address(OUTSIDE)}",
        ],
    )
    way = ("ovs-appctl", "ovs/route/add", str(plan.subnet), PHY)  # refused until it has seen the address
    host.wait("ovs-vswitchd", lambda: host.exec(*way, check=False).returncode == 0, "learn the way to other hosts")
