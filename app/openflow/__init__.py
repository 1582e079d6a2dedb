"""The OpenFlow room: flows to bytes and back, and one connected bridge."""
