"""For all tests: os-ken runs on the hub that the controller runs on. It is chosen when os-ken is first imported.

Ctrl-C means Ctrl-C: what a shell starts in the background ignores it, and so would every command that a test starts.
"""

import os
import signal

os.environ["OSKEN_HUB_TYPE"] = "eventlet"
signal.signal(signal.SIGINT, signal.default_int_handler)
