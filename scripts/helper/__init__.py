"""`containet-helper`, the process on each host: containers, plumbing, ports, and what the controller is told."""
