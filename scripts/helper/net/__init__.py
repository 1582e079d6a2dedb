"""Devices of the kernel: namespaces, veth pairs, addresses, shapers, NAT. Knows nothing of bridges and endpoints."""
