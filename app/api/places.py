"""How many streams are open at once: each holds a place in the WSGI server for as long as it lives."""

from app.desk import RefusedError


class Places:
    """A count of what may be open at once. Green threads change only at I/O, so it needs no lock."""

    def __init__(self, most: int, hint: str) -> None:
        self._most, self._hint, self._taken = most, hint, 0

    def take(self) -> None:
        """RefusedError, with the hint what to do, if all places are taken."""
        if self._taken >= self._most:
            detail = f"{self._most} streams are open already, and the controller takes no more. {self._hint}"
            raise RefusedError(503, "too-many-streams", detail)
        self._taken += 1

    def free(self) -> None:
        """One is free again."""
        self._taken -= 1
