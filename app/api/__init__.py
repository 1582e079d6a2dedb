"""The REST room: what people, the command line and the helpers ask of the controller, over HTTP.

It knows the Desk (app/desk.py) and the values that pass over it, nothing else of the controller. One file a resource;
an operation's signature says what it takes and gives, and the OpenAPI document is made from that.
"""
