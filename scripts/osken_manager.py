"""`osken-manager APP ...`: starts os-ken with applications, as Ryu's manager did. os-ken 4 brings none of its own.

Only the very beginning is here: what makes all threads and sockets green must come before any other import.
"""

import importlib
import os
import sys
import warnings


def main() -> None:
    """The console script."""
    # os-ken chooses its hub when it is first imported. Both calls are needed, in this order: the second alone patches
    # threads only, and a socket that waits would stop the whole process.
    os.environ["OSKEN_HUB_TYPE"] = "eventlet"
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")  # said at every start, to nobody's use
    hub = importlib.import_module("os_ken.lib.hub")
    hub.patch(thread=False)
    hub.patch(thread=True)
    importlib.import_module("scripts.osken_apps").run(sys.argv[1:])
