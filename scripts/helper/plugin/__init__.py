"""What Docker's engine asks: the network driver and the IPAM driver `containet` (libnetwork's remote protocol).

A call is answered from what is known here. The engine waits for every answer with its hands full, so nothing in this
room asks Docker anything, and the controller only where no other answer can be right, for a short time.
"""
