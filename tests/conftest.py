"""For all tests: os-ken runs on the hub that the controller runs on. It is chosen when os-ken is first imported."""

import os

os.environ["OSKEN_HUB_TYPE"] = "eventlet"
