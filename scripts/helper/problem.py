"""Refusals: what cannot be, why, and what to do, for people; with a status and a slug for programs (RFC 9457)."""

URN = "urn:containet:problem:"


class RefusedError(Exception):
    """Somebody asked for what cannot be. `slug` names the kind; `more` are members of the problem document."""

    def __init__(self, status: int, slug: str, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.status, self.slug, self.detail, self.more = status, slug, detail, more

    def document(self) -> dict[str, object]:
        """The problem document."""
        title = self.slug.replace("-", " ").capitalize()
        return {"type": URN + self.slug, "title": title, "status": self.status, "detail": self.detail, **self.more}

    @classmethod
    def read(cls, status: int, document: object) -> "RefusedError":
        """The refusal that somebody else's problem document says."""
        said = document if isinstance(document, dict) else {}
        more = {key: value for key, value in said.items() if key not in ("type", "title", "status", "detail")}
        slug = str(said.get("type", "refused")).removeprefix(URN)
        detail = said.get("detail") or said.get("title") or f"The controller refused with HTTP {status}."
        return cls(status, slug, str(detail), **{key: value for key, value in more.items() if key.isidentifier()})


class AwayError(Exception):
    """The controller does not answer, or not sensibly, in words."""
