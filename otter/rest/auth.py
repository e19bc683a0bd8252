"""Whether a caller may do what they ask for, before anything else is looked at. (docs/api.md, "Authentication".)"""

import re

from twisted.internet.defer import ensureDeferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from werkzeug.exceptions import NotFound

from otter.domain.access import Rights
from otter.domain.errors import InvalidCredentials, OtterError
from otter.operations.callers import Callers
from otter.rest.bodies import is_true, send
from otter.rest.errors import apologise, no_such_route, refuse
from otter.rest.headers import values

FOR_EVERYBODY = re.compile(r"/|/(health|openapi\.json)/?")
OF_A_TENANT = re.compile(r"/v1\.0/(?!execute(/|$))(?P<tenant>[^/]+)(/.*)?", re.DOTALL)
MANIFEST = re.compile(r"/v1\.0/[^/]+/groups/[^/]+/?", re.DOTALL)
WEBHOOKS = re.compile(r"/v1\.0/[^/]+/groups/[^/]+/policies/[^/]+/webhooks(/.*)?", re.DOTALL)


class Gate(Resource):
    """
    Lets through to ``rest`` what is for everybody, and callers with a token that is good for the tenant in the path.

    Note [No way around the gate]: the routes see a path without its quoting, and without slashes in front. Here it is the same
    path, but for the slashes; and what is neither for everybody nor of a tenant is not found, whatever the routes make of it.
    """

    isLeaf = True

    def __init__(self, callers: Callers, rest: Resource) -> None:
        super().__init__()
        self.callers, self.rest = callers, rest

    def render(self, request: Request) -> bytes | int:
        path = path_of(request)
        if FOR_EVERYBODY.fullmatch(path):
            return self.rest.render(request)
        found = OF_A_TENANT.fullmatch(path)
        if found is None:
            return no_such_route(request, Failure(NotFound()))
        admitted = ensureDeferred(self._admit(request, found["tenant"], needed(request, path)))
        admitted.addErrback(request.processingFailed)
        return NOT_DONE_YET

    async def _admit(self, request: Request, tenant: str, rights: Rights) -> None:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        refusal = await self._refusal(request, tenant, rights)
        if gone:
            return
        if refusal is None:
            request.render(self.rest)
            return
        send(request, refusal)

    async def _refusal(self, request: Request, tenant: str, rights: Rights) -> bytes | None:
        try:
            await self.callers.admit(tenant, token_of(request), rights)
            return None
        except OtterError:
            return refuse(request, Failure())
        except Exception:
            return apologise(request, Failure())


def path_of(request: Request) -> str:
    """The path as the routes read it, with all slashes that it has."""
    return "/" + b"/".join(request.postpath or ()).decode()


def token_of(request: IRequest) -> str:
    """:raises InvalidCredentials: there is none, or several."""
    given = values(request, "x-auth-token")
    if len(given) > 1:
        raise InvalidCredentials("X-Auth-Token must be given once")
    if not given or not given[0]:
        raise InvalidCredentials("X-Auth-Token is missing; get a token from Identity, and send it with every request")
    return given[0]


def needed(request: Request, path: str) -> Rights:
    """Whoever only observes must not see webhooks: their URLs execute policies."""
    shows_webhooks = WEBHOOKS.fullmatch(path) or (MANIFEST.fullmatch(path) and is_true(request, "webhooks"))
    only_looks = request.method in (b"GET", b"HEAD") and not shows_webhooks
    return Rights.OBSERVE if only_looks else Rights.EVERYTHING
