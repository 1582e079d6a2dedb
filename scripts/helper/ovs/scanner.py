"""The JSON that Open vSwitch's database sends, read by the standard library's scanner, which is written in C.

The parser of the `ovs` package is in Python unless its C extension is there, which what PyPI has of it is without: a
microsecond for each character, and for that long no other thread goes on.
"""

import json
import re
from typing import Any

import ovs.json

LARGEST = 256 << 20  # characters of one message; a copy of 100,000 ports has some 60 million

_DECODER = json.JSONDecoder()
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACES = re.compile(r"[^{}]+")


class Scanner:
    """As `ovs.json.Parser`: it is fed with text, and takes one message from that.

    A message is an object (RFC 7047, 4), so it is whole where the last of its braces is closed. Then it is decoded.
    """

    def __init__(self, check_trailer: bool = False) -> None:  # noqa: ARG002 - where it ends is what `feed` says
        self._text = ""
        self._open_string = ""  # from its quotation mark on
        self._depth = 0
        self._found: Any = None
        self._done = False

    def feed(self, text: str) -> int:
        """How many characters of this are the message's; the others are the next one's."""
        before = len(self._text)
        self._text += text
        if self._closes(text):
            self._done = True
            try:
                self._found, end = _DECODER.raw_decode(self._text, len(self._text) - len(self._text.lstrip()))
            except json.JSONDecodeError as error:
                self._found = str(error)
            else:
                return end - before
        elif len(self._text) > LARGEST:
            self._found, self._done = f"no message within {LARGEST} characters", True
        return len(text)

    def is_done(self) -> bool:
        """Whether there is a message, or an error."""
        return self._done

    def finish(self) -> Any:
        """The message, or as a string what is wrong."""
        return self._found if self._done else "the message ends early"

    def _closes(self, text: str) -> bool:
        """Whether this text has the last brace; strings are left out, for there may be braces in them."""
        plain, quote, rest = _STRING.sub("", self._open_string + text).partition('"')
        self._open_string = quote + rest
        for brace in _NO_BRACES.sub("", plain):
            self._depth += 1 if brace == "{" else -1
            if self._depth == 0:
                return True
        return False


def use() -> None:
    """All connections of this process read by it from now on, if the package has no parser in C."""
    if ovs.json.PARSER == ovs.json.PARSER_PY:
        ovs.json.Parser = Scanner
