"""What the API answers, in its shapes."""

from typing import Any

APPLIED: dict[str, Any] = {"generation": 7, "pending": []}
HELD_UP: dict[str, Any] = {"generation": 7, "pending": ["host2"]}

ENDPOINT: dict[str, Any] = {
    "host": "host1",
    "name": "web1",
    "container": "3f" * 32,
    "interface": "eth0",
    "mac": "02:c7:ac:0f:2a:64",
    "address": "172.15.42.100/24",
    "network": "blue",
    "vlan": 10,
    "up": "10mbit",
    "down": "none",
    "ofport": 3,
    "role": "container",
    "behind": None,
    "state": "up",
    "why": "",
    "labels": {},
    "ports": [],
}
HOST: dict[str, Any] = {
    "name": "host1",
    "dpid": "0x0000000000000001",
    "vtep": "10.0.0.3",
    "underlay_mtu": 1500,
    "switch": "connected",
    "helper": "connected",
    "links": [{"peer": "host2", "ofport": 2}],
    "endpoints": 1,
    "pending": False,
    "errors": [],
}
FLOW: dict[str, Any] = {
    "host": "host1",
    "table": "l2_lookup",
    "table_id": 60,
    "priority": 100,
    "match": "reg0=10,dl_dst=02:c7:ac:0f:2a:64",
    "actions": "set_field:3->reg3,goto_table:output",
    "cookie": "0xc705000000000001",
    "packets": 12,
    "bytes": 1176,
    "duration_s": 4.2,
    "feature": "l2",
    "owner": {"kind": "endpoint", "name": "host1:web1:eth0"},
}
EVENT: dict[str, Any] = {
    "number": 7,
    "time": "2026-01-02T03:04:05.678901Z",
    "kind": "drift",
    "host": "host1",
    "endpoint": "host1:web1:eth0",
    "what": "a flow was deleted by somebody else",
}
POLICY = {
    "networks": {"blue": {"vlan": 10, "subnet": "172.15.42.0/24"}},
    "assign": [{"match": {"name": "web1"}, "vlan": 10, "up": "10mbit"}],
}


def problem(slug: str, status: int, detail: str, **more: object) -> dict[str, object]:
    title = slug.replace("-", " ").capitalize()
    return {"type": f"urn:containet:problem:{slug}", "title": title, "status": status, "detail": detail, **more}
