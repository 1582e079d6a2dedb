"""Request bodies: bounded in size and in time before anything looks at them."""

import falcon

from app.desk import RefusedError

PIECE = 64 << 10


def read(req: falcon.Request, limit: int) -> bytes:
    """All of the body, of either framing (RFC 9112, 6); 413 beyond `limit` bytes, 408 or 400 if it does not come."""
    if req.content_length is not None and req.content_length > limit:
        raise _too_big(limit)
    pieces: list[bytes] = []
    left = limit + 1
    # Not `bounded_stream`, for which a chunked body is an empty one. The server ends `stream` where the body ends.
    while left and (piece := _piece(req, min(left, PIECE))):
        pieces.append(piece)
        left -= len(piece)
    if not left:
        raise _too_big(limit)
    return b"".join(pieces)


def _piece(req: falcon.Request, size: int) -> bytes:
    try:
        return req.stream.read(size)
    except TimeoutError as error:
        raise RefusedError(408, "too-slow", "The body did not come in time.") from error
    except (OSError, ValueError) as error:  # the connection broke; the chunks make no sense
        raise RefusedError(400, "broken-body", f"The body broke off: {error}.") from error


def _too_big(limit: int) -> RefusedError:
    return RefusedError(413, "too-big", f"The body is too big: {limit} bytes at most.", limit=limit)
