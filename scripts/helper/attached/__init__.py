"""What is attached to the bridge of this host: endpoints, gateways, joined Linux bridges; and the host as one."""
