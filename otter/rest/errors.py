"""The one table that turns errors into answers."""

import json
from collections.abc import Iterable
from typing import Any

from klein import Klein
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from otter.domain import errors
from otter.rest.bodies import answer

log = Logger()
RETRY_AFTER = "5"
"""Seconds, for a client whose request could not be answered or stored."""
ANSWERS = {
    errors.InvalidJson: (400, "InvalidJsonError"),
    errors.Invalid: (400, "ValidationError"),
    errors.InvalidMinEntities: (400, "InvalidMinEntities"),
    errors.InvalidLaunchConfiguration: (400, "InvalidLaunchConfiguration"),
    errors.InvalidQueryArgument: (400, "InvalidQueryArgument"),
    errors.InvalidIdempotencyKey: (400, "InvalidIdempotencyKey"),
    errors.InvalidCredentials: (401, "InvalidCredentials"),
    errors.Forbidden: (403, "Forbidden"),
    errors.CannotExecutePolicy: (403, "CannotExecutePolicyError"),
    errors.BelowMinEntities: (403, "CannotDeleteServerBelowMinError"),
    errors.GroupPaused: (403, "GroupPausedError"),
    errors.TenantSuspended: (403, "TenantSuspendedError"),
    errors.GroupNotEmpty: (403, "GroupNotEmptyError"),
    errors.NoSuchScalingGroup: (404, "NoSuchScalingGroupError"),
    errors.NoSuchPolicy: (404, "NoSuchPolicyError"),
    errors.NoSuchServer: (404, "ServerNotFoundError"),
    errors.NoSuchWebhook: (404, "NoSuchWebhookError"),
    errors.PreconditionFailed: (412, "PreconditionFailed"),
    errors.BodyTooLarge: (413, "RequestEntityTooLarge"),
    errors.GroupsOverLimit: (422, "ScalingGroupOverLimitError"),
    errors.PoliciesOverLimit: (422, "PoliciesOverLimitError"),
    errors.WebhooksOverLimit: (422, "WebhooksOverLimitError"),
    errors.NotProvided: (501, "NotImplementedError"),
    errors.UpstreamUnavailable: (503, "UpstreamUnavailable"),
    errors.StoreUnavailable: (503, "ServiceUnavailable"),
}
"""What each refusal is in HTTP: status and ``type``. (docs/api.md, "Errors".)"""


def error_routes(app: Klein) -> None:
    app.handle_errors(errors.OtterError)(refuse)
    app.handle_errors(HTTPException)(no_such_route)
    app.handle_errors(Exception)(apologise)


def refuse(request: IRequest, failure: Failure) -> bytes:
    status, kind = ANSWERS[failure.type]
    if status == 503:
        request.setHeader("retry-after", RETRY_AFTER)
    if status == 401:
        request.setHeader("www-authenticate", "Keystone")
    return answer(request, status, error_document(status, kind, str(failure.value)))


def no_such_route(request: IRequest, failure: Failure) -> bytes:
    error = failure.value
    if isinstance(error, MethodNotAllowed):
        return refuse_method(request, error.valid_methods or ())
    return answer(request, error.code, error_document(error.code, failure.type.__name__, error.description))


def refuse_method(request: IRequest, allowed: Iterable[str]) -> bytes:
    request.setHeader("allow", ", ".join(sorted(allowed)))
    return answer(request, 405, error_document(405, "MethodNotAllowed", MethodNotAllowed.description))


def apologise(request: IRequest, failure: Failure) -> bytes:
    log.failure("request-failed", failure)
    return answer(request, 500, error_document(500, "InternalError", "An internal error occurred"))


def error_document(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"error": {"type": kind, "code": status, "message": message, "details": ""}}


def error_body(refusal: errors.OtterError) -> tuple[int, bytes]:
    """Status and body for a refusal that happens before there is a route."""
    status, kind = ANSWERS[type(refusal)]
    return status, json.dumps(error_document(status, kind, str(refusal))).encode()
