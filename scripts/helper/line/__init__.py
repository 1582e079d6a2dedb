"""The line to the controller: what is told, what is wanted, over HTTP."""
