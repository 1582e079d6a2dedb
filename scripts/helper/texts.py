"""What people write as texts, in labels or in options of Docker's: names that may be misspelt, numbers, rates.

`kind` is what such a text is called (`label`, `option`), for people and in the slug of the refusal.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from flows.rate import parse_rate
from scripts.helper.problem import RefusedError

SHOWN = 40  # characters of what cannot be understood


def misspelt(kind: str, key: str, understood: Sequence[str], shown: int = SHOWN) -> RefusedError:
    """That nobody understands this one, and what it may have been meant to be."""
    likely = get_close_matches(key, understood, 1)
    hint = f"did you mean {likely[0]}?" if likely else f"there are {', '.join(understood)}"
    return RefusedError(422, kind, f"“{key[:shown]}” is no {kind} of containet: {hint}")


def number(kind: str, said: Mapping[str, str], key: str, lowest: int, highest: int) -> int | None:
    """The number that is said, None if none is; RefusedError for another one, or no number at all."""
    text = said.get(key)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise RefusedError(422, kind, f"{key}={text[:SHOWN]}: say a number from {lowest} to {highest}")
    return int(text)


def kbps(kind: str, said: Mapping[str, str], key: str) -> int | None:
    """The rate that is said, in kilobits per second; likewise."""
    try:
        return parse_rate(said[key]) if key in said else None
    except ValueError as error:
        raise RefusedError(422, kind, f"{key}: {error}") from error
