"""Bodies in and out, links, and what stands in a URL's query."""

import json
import math
import re
from collections.abc import Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from twisted.web.iweb import IRequest

from otter.domain.errors import Invalid, InvalidJson, InvalidQueryArgument
from otter.domain.limits import Page

DEEPEST = 64
"""Levels of a document."""


def json_body(request: IRequest, schema: Validator) -> Any:
    """The request's body, if it is what ``schema`` asks for. :raises InvalidJson: :raises Invalid:"""
    try:
        body = json.loads(request.content.read().decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
        _refuse_what_cannot_be_kept(body)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(str(error)) from None
    # The first problem will do: a hostile body may have as many as it has bytes.
    problem = best_match(islice(schema.iter_errors(body), 1))
    if problem is not None:
        raise Invalid(f"{problem.json_path}: {problem.message[:500]}")
    return body


def answer(request: IRequest, status: int, document: Any = None, location: str | None = None) -> bytes:
    """Answer with ``status`` and ``document``; with no body at all if there is none."""
    request.setResponseCode(status)
    if location is not None:
        request.setHeader("location", location)
    return b"" if document is None else json.dumps(document).encode()


def send(request: IRequest, body: bytes) -> None:
    """What is answered before there is a route: nobody else sends it."""
    request.setHeader("content-length", str(len(body)))
    request.write(body)
    request.finish()


def query(request: IRequest, name: str) -> str | None:
    """The first value of a parameter of the query; None if it has none."""
    for value in request.args.get(name.encode(), ()):
        return value.decode("utf-8", "replace")
    return None


def flag(request: IRequest, name: str, default: bool) -> bool:
    """A parameter that may be "true" or "false", in any case. :raises InvalidQueryArgument:"""
    value = query(request, name)
    if value is None:
        return default
    if value.lower() not in ("true", "false"):
        raise InvalidQueryArgument(f'Invalid query argument for "{name}": must be "true" or "false", not {value!r}')
    return value.lower() == "true"


def is_true(request: IRequest, name: str) -> bool:
    """Whether a parameter is "true", in any case; anything else means no."""
    return (query(request, name) or "").lower() == "true"


def page(request: IRequest, size: int) -> Page:
    """The part of a list that is asked for. (docs/api.md, "Pages".) :raises InvalidQueryArgument:"""
    limit, marker = query(request, "limit"), query(request, "marker")
    if limit is None:
        return Page(size, marker or "")
    if not re.fullmatch(r"\s*[+-]?[0-9]{1,4000}\s*", limit):
        raise InvalidQueryArgument(f'Invalid query argument for "limit": must be an integer, not {limit!r}')
    return Page(max(1, min(int(limit), size)), marker or "")


def url(root: str, *path: str, **parameters: str) -> str:
    """An absolute link to a resource of this API. Every one ends with a slash, before any query."""
    whole = "/".join((root, "v1.0", *(quote(segment, "") for segment in path), ""))
    asked = "&".join(f"{name}={quote(value, '')}" for name, value in sorted(parameters.items()))
    return f"{whole}?{asked}" if asked else whole


def links_of(**hrefs: str) -> list[dict[str, str]]:
    return [{"rel": rel, "href": href} for rel, href in hrefs.items()]


def following(ids: Sequence[str], asked: Page, root: str, *path: str) -> list[dict[str, str]]:
    """The link to the page after the one with these ``ids``; none if that was not full."""
    if len(ids) < asked.limit:
        return []
    return links_of(next=url(root, *path, limit=str(asked.limit), marker=ids[-1]))


def _refuse_what_cannot_be_kept(body: Any) -> None:
    """JSON allows for more than can be read back from a store, or sent to a cloud. :raises ValueError:"""
    level = [body]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                value.encode()  # half of a surrogate pair is no character
            elif isinstance(value, dict):
                below += (*value.keys(), *value.values())
            elif isinstance(value, list):
                below += value
        if not below:
            return
        level = below
    raise ValueError(f"The document is nested more than {DEEPEST} levels deep")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text} is too large")
    return number
