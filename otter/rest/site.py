"""The HTTP server around the routes: a limit to what is read, headers that every answer has, one log line for each."""

import re
from functools import partial
from random import getrandbits
from time import perf_counter
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes
from uuid import UUID

from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from otter.domain.errors import BodyTooLarge
from otter.domain.group import GroupId
from otter.rest.bodies import send
from otter.rest.errors import error_body

log = Logger()
CAPABILITY = re.compile("[0-9a-fA-F]{20,}")
"""More hex digits in a row than any id has. Whatever is wrong with the URL around it, it may be somebody's secret."""


class BoundedRequest(Request):
    """A request of which no more than ``max_body`` bytes are kept."""

    def __init__(self, *arguments: Any, max_body: int, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.max_body = max_body
        self.received = 0
        self.began = perf_counter()
        self.response_id = str(UUID(int=getrandbits(128), version=4))
        self.owner: dict[str, str] = {}

    def gotLength(self, length: int | None) -> None:
        super().gotLength(0 if length is not None and length > self.max_body else length)

    def handleContentChunk(self, data: bytes) -> None:
        self.received += len(data)
        if self.received <= self.max_body:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        # Bodies are JSON, whatever they are said to be. Twisted would read forms, and hang up on bad ones.
        self.requestHeaders.removeHeader(b"content-type")
        super().requestReceived(command, path, version)

    def process(self) -> None:
        self.path = readable(self.path)
        self.setHeader("x-response-id", self.response_id)
        self.setHeader("content-type", "application/json")
        if self.received <= self.max_body:
            super().process()
            return
        status, body = error_body(BodyTooLarge(self.max_body))
        self.setResponseCode(status)
        send(self, body)


class ApiSite(Site):
    """:ivar max_body: bytes."""

    def __init__(self, resource: Resource, max_body: int) -> None:
        super().__init__(resource, requestFactory=partial(BoundedRequest, max_body=max_body))

    def log(self, request: Any) -> None:
        """One line for each answer. A capability is as good as a password, so that part of the path is left out."""
        path = CAPABILITY.sub("...", unquote(unquote(request.uri.decode("ascii", "replace"))))
        took = round((perf_counter() - request.began) * 1000, 1)
        log.info(
            "request",
            method=request.method.decode("ascii", "replace"),
            path=path,
            status=request.code,
            milliseconds=took,
            response_id=request.response_id,
            **(request.owner or owner_in(path)),
        )


def note_owner(request: Any, group_id: GroupId) -> None:
    """Let the log line say whose request it was; a capability's path does not."""
    request.owner = {"tenant": group_id.tenant, "group": group_id.group}


def readable(path: bytes) -> bytes:
    """``path``, so that it is UTF-8 below its quoting. What was not can lead nowhere, but it must not be an error either."""
    try:
        unquote_to_bytes(path).decode("utf-8")
        return path
    except UnicodeDecodeError:
        return quote(unquote_to_bytes(path).decode("utf-8", "replace")).encode()


def owner_in(path: str) -> dict[str, str]:
    """Tenant and group, as far as the path names them."""
    match path.partition("?")[0].split("/"):
        case ["", "v1.0", "execute", *_]:
            return {}
        case ["", "v1.0", tenant, "groups", group, *_] if group:
            return {"tenant": tenant, "group": group}
        case ["", "v1.0", tenant, *_]:
            return {"tenant": tenant}
    return {}
