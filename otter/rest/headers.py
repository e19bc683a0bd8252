"""What stands in a request's headers, and tags in an answer's. (docs/api.md, "Changing what was read", "Repeating an execution".)"""

import re
from collections.abc import Mapping

from pyrsistent import pset
from twisted.web.iweb import IRequest

from otter.domain.errors import InvalidIdempotencyKey
from otter.domain.tags import ANYTHING, Expected, tag_of

LIST_ITEM = re.compile(r'[^\s,"]*"[^"]*"')
"""A tag, with whatever stands before it: a weak one stays different from a strong one."""
KEY = re.compile("[ -~]{1,255}")


def tag(request: IRequest, document: Mapping) -> None:
    """Let the answer say which document it is about."""
    request.setHeader("etag", tag_of(document))


def if_match(request: IRequest) -> Expected:
    """What the client expects to change. What is not a list of tags names none, so nothing will be changed."""
    lines = values(request, "if-match")
    if not lines or "*" in [line.strip() for line in lines]:
        return ANYTHING
    return Expected(pset(item for line in lines for item in LIST_ITEM.findall(line)))


def idempotency_key(request: IRequest) -> str | None:
    """None if the client gives none. :raises InvalidIdempotencyKey:"""
    given = values(request, "idempotency-key")
    if not given:
        return None
    if len(given) > 1 or not KEY.fullmatch(given[0]):
        raise InvalidIdempotencyKey("Idempotency-Key must be given once, and be 1 to 255 printable ASCII characters")
    return given[0]


def values(request: IRequest, name: str) -> list[str]:
    """Of all headers of that name, whatever bytes they are made of."""
    return [value.decode("latin-1") for value in request.requestHeaders.getRawHeaders(name.encode(), ())]
