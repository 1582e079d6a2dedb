"""The process on each host: plugs containers into the bridge, and tells the controller."""

import warnings

# python-ovs imports eventlet where it is installed; nothing here uses it.
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
