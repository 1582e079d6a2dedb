"""Open vSwitch's database: our bridge, its ports, and the records that are written on it."""
