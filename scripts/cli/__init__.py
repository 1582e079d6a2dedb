"""The command line `containet`: one file per group of commands, each imported only when it is called.

`connect`, `disconnect`, `wait`, `join-bridge` and `leave-bridge` are about this host: the helper's socket. Everything
else is about all hosts: the controller's REST. Start-up is kept short (standard library and click only), because
`connect` stands in scripts that start containers.
"""

from scripts.cli.group import Containet

HELP = """Join containers of several hosts to one network.

A container gets an interface with `connect`; with no `--vlan` it is in the network “default”, VLAN 1. Containers of
one VLAN reach each other on every host, those of different VLANs do not. `move` and `limit` change a running
container without a reconnection.

\b
First steps:
  docker run -d --net=none --name web1 IMAGE
  containet connect web1 172.15.42.100/24
  containet endpoints

\b
The controller is at CONTAINET_CONTROLLER (http://HOST:PORT), the helper of this host at the
socket CONTAINET_SOCKET; else where /etc/containet/helper.toml says; else at
http://127.0.0.1:8080 and /run/containet/helper.sock."""

EXITS = """\b
Exit codes:
  0    done: every switch and helper concerned has it
  1    refused; the message says what, why and what to do; nothing has changed
  2    the command line, or a file that it names, cannot be used; nobody was asked
  3    accepted, but the hosts that are named have it not yet
  4    nobody there: controller or helper cannot be reached, or what they need is not there
  130  interrupted with Ctrl-C
`lab exec` ends as its command ends."""

COMMANDS = {
    "connect": "attach:connect",
    "disconnect": "attach:disconnect",
    "wait": "attach:wait",
    "join-bridge": "bridges:join_bridge",
    "leave-bridge": "bridges:leave_bridge",
    "endpoints": "listings:endpoints",
    "hosts": "listings:hosts",
    "networks": "listings:networks",
    "topology": "listings:topology",
    "forget-host": "listings:forget_host",
    "move": "change:move",
    "limit": "change:limit",
    "policy": "policy:policy",
    "flows": "flows:flows",
    "events": "events:events",
    "lab": "lab:lab",
    "completion": "completion:completion",
}

containet = Containet(COMMANDS, name="containet", help=HELP, epilog=EXITS)


def main() -> None:
    """Entry point of the console script."""
    containet(prog_name="containet")
