"""What ``GET /openapi.json`` says: the whole API, in the words of OpenAPI 3.1. (docs/api.md, "OpenAPI".)"""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any

from attrs import frozen

from otter.domain.errors import (
    BelowMinEntities,
    BodyTooLarge,
    CannotExecutePolicy,
    Forbidden,
    GroupNotEmpty,
    GroupPaused,
    GroupsOverLimit,
    Invalid,
    InvalidCredentials,
    InvalidIdempotencyKey,
    InvalidJson,
    InvalidLaunchConfiguration,
    InvalidMinEntities,
    InvalidQueryArgument,
    NoSuchPolicy,
    NoSuchScalingGroup,
    NoSuchServer,
    NoSuchWebhook,
    NotProvided,
    OtterError,
    PoliciesOverLimit,
    PreconditionFailed,
    StoreUnavailable,
    TenantSuspended,
    UpstreamUnavailable,
    WebhooksOverLimit,
)
from otter.rest import answers, schemas
from otter.rest.errors import ANSWERS

Json = dict[str, Any]
NAMES = {id(schema): name for name, schema in (schemas.NAMED | answers.NAMED).items()}
JSON, XML = "application/json", "application/xml"


@frozen
class Answer:
    """
    A way in which a request may be answered, if it is not refused.

    :ivar schema: one of ``answers.NAMED``; None if there is no body.
    :ivar headers: names of HEADERS that are there, apart from those that every answer has.
    """

    status: int
    schema: Json | None = None
    headers: Sequence[str] = ()
    kinds: Sequence[str] = (JSON,)


@frozen
class Operation:
    """
    :ivar name: that no other operation has.
    :ivar parameters: names of PARAMETERS, apart from those in the path.
    :ivar body: one of ``schemas.NAMED``; None if no body is looked at.
    """

    name: str
    method: str
    path: str
    summary: str
    answers: Sequence[Answer]
    refusals: Sequence[type[OtterError]] = ()
    body: Json | None = None
    parameters: Sequence[str] = ()


def parameter(where: str, description: str, **schema: Any) -> Json:
    return {
        "in": where,
        "required": where == "path",
        "description": description,
        "schema": {"type": "string"} | schema,
    }


PARAMETERS = {
    "tenant": parameter("path", "Whose groups; any text without a slash."),
    "group": parameter("path", "The group's id."),
    "policy": parameter("path", "The policy's id."),
    "webhook": parameter("path", "The webhook's id."),
    "server": parameter("path", "The server's id, at Nova."),
    "version": parameter("path", "Not looked at.", default="1"),
    "capability": parameter("path", "What the capability link of a webhook ends with. As good as a password."),
    "limit": parameter("query", "How many items; brought within 1 and the size of a page.", type="integer"),
    "marker": parameter("query", "Only items with ids after this text."),
    "webhooks": parameter(
        "query", "Whether the policies are shown with their webhooks.", type="boolean", default=False
    ),
    "force": parameter("query", "Whether the group may still have servers.", type="boolean", default=False),
    "replace": parameter("query", "Whether another server takes its place.", type="boolean", default=True),
    "purge": parameter("query", "Whether the server is deleted; otherwise it lives on.", type="boolean", default=True),
    "If-Match": parameter("header", "Tags, with commas between them: nothing is done unless one is what is stored."),
    "Idempotency-Key": parameter(
        "header",
        "Of the client's choice. Requests with the same key are executed once, and answered alike, for 24 hours.",
        pattern="^[ -~]{1,255}$",
    ),
}
"""By name, in a URL or as a header."""


def header(description: str, **schema: Any) -> Json:
    return {"description": description, "required": True, "schema": {"type": "string"} | schema}


HEADERS = {
    "X-Response-Id": header("Also in the log line of the request.", format="uuid"),
    "ETag": header("The tag of what is stored."),
    "Location": header("Where what was made is to be found.", format="uri"),
    "Retry-After": header("Seconds.", type="integer"),
    "WWW-Authenticate": header("Who gives tokens."),
}
WITH_ERRORS = {401: ("WWW-Authenticate",), 503: ("Retry-After",)}
"""Headers of errors, by status."""
TOKEN = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Auth-Token",
    "description": "A token of Identity. It is looked at only if otter is configured to.",
}

GROUPS = "/v1.0/{tenant}/groups"
GROUP = GROUPS + "/{group}"
POLICIES = GROUP + "/policies"
POLICY = POLICIES + "/{policy}"
WEBHOOKS = POLICY + "/webhooks"
WEBHOOK = WEBHOOKS + "/{webhook}"
SERVERS = GROUP + "/servers"
SERVER = SERVERS + "/{server}"

IN_STORE = (StoreUnavailable,)
IN_GROUP = (NoSuchScalingGroup, *IN_STORE)
IN_POLICY = (NoSuchPolicy, *IN_GROUP)
IN_WEBHOOK = (NoSuchWebhook, *IN_POLICY)
BAD_BODY = (InvalidJson, Invalid)
BAD_LAUNCH = (*BAD_BODY, InvalidLaunchConfiguration, UpstreamUnavailable)
BAD_QUERY = (InvalidQueryArgument,)
RESTING = (GroupPaused, TenantSuspended)

PAGE = ("limit", "marker")
TAG, PLACE = ("ETag",), ("Location",)
DONE, STORED = (Answer(204),), (Answer(204, headers=TAG),)


def shows(schema: Json) -> Sequence[Answer]:
    return (Answer(200, schema),)


def shows_tagged(schema: Json) -> Sequence[Answer]:
    return (Answer(200, schema, TAG),)


def creates(schema: Json) -> Sequence[Answer]:
    return (Answer(201, schema, PLACE),)


OPERATIONS = {
    "Groups": (
        Operation(
            "list_groups", "GET", GROUPS, "List the tenant's groups",
            shows(answers.GROUPS_ANSWER), IN_STORE + BAD_QUERY, parameters=PAGE,
        ),
        Operation(
            "create_group", "POST", GROUPS, "Create a group, perhaps with policies",
            creates(answers.MANIFEST_ANSWER),
            IN_STORE + BAD_LAUNCH + (InvalidMinEntities, GroupsOverLimit, PoliciesOverLimit), schemas.GROUP,
        ),
        Operation(
            "show_group", "GET", GROUP, "Show everything about a group",
            shows(answers.MANIFEST_ANSWER), IN_GROUP, parameters=("webhooks",),
        ),
        Operation(
            "delete_group", "DELETE", GROUP, "Delete a group",
            DONE, IN_GROUP + BAD_QUERY + (GroupNotEmpty,), parameters=("force",),
        ),
        Operation(
            "show_state", "GET", GROUP + "/state", "Show what a group has and what it should have",
            shows(answers.STATE_ANSWER), IN_GROUP,
        ),
        Operation(
            "show_history", "GET", GROUP + "/history", "Show what was done for a group, the newest first",
            shows(answers.HISTORY_ANSWER), IN_GROUP + BAD_QUERY, parameters=PAGE,
        ),
        Operation(
            "show_config", "GET", GROUP + "/config", "Show a group's configuration",
            shows_tagged(answers.CONFIG_ANSWER), IN_GROUP,
        ),
        Operation(
            "replace_config", "PUT", GROUP + "/config", "Replace a group's configuration",
            STORED, IN_GROUP + BAD_BODY + (InvalidMinEntities, PreconditionFailed, TenantSuspended),
            schemas.CONFIG, ("If-Match",),
        ),
        Operation(
            "show_launch", "GET", GROUP + "/launch", "Show what a group's servers are made from",
            shows_tagged(answers.LAUNCH_ANSWER), IN_GROUP,
        ),
        Operation(
            "replace_launch", "PUT", GROUP + "/launch", "Replace what new servers are made from",
            STORED, IN_GROUP + BAD_LAUNCH + (PreconditionFailed,), schemas.LAUNCH, ("If-Match",),
        ),
        Operation(
            "converge_group", "POST", GROUP + "/converge", "Have a group looked at, and healed if need be",
            DONE, IN_GROUP + RESTING,
        ),
        Operation("pause_group", "POST", GROUP + "/pause", "Leave a group alone until it is resumed", DONE, IN_GROUP),
        Operation("resume_group", "POST", GROUP + "/resume", "Look after a group again", DONE, IN_GROUP),
    ),
    "Policies": (
        Operation(
            "list_policies", "GET", POLICIES, "List a group's policies",
            shows(answers.POLICIES_ANSWER), IN_GROUP + BAD_QUERY, parameters=PAGE,
        ),
        Operation(
            "create_policies", "POST", POLICIES, "Create policies: all of them or none",
            creates(answers.CREATED_POLICIES), IN_GROUP + BAD_BODY + (PoliciesOverLimit,), schemas.POLICIES,
        ),
        Operation("show_policy", "GET", POLICY, "Show a policy", shows_tagged(answers.POLICY_ANSWER), IN_POLICY),
        Operation(
            "replace_policy", "PUT", POLICY, "Replace a policy",
            STORED, IN_POLICY + BAD_BODY + (PreconditionFailed,), schemas.POLICY, ("If-Match",),
        ),
        Operation(
            "delete_policy", "DELETE", POLICY, "Delete a policy and its webhooks",
            DONE, IN_POLICY + (PreconditionFailed,), parameters=("If-Match",),
        ),
        Operation(
            "execute_policy", "POST", POLICY + "/execute", "Execute a policy: change the size of its group",
            (Answer(202, answers.EXECUTED),), IN_POLICY + RESTING + (CannotExecutePolicy, InvalidIdempotencyKey),
            parameters=("Idempotency-Key",),
        ),
    ),
    "Webhooks": (
        Operation(
            "list_webhooks", "GET", WEBHOOKS, "List a policy's webhooks",
            shows(answers.WEBHOOKS_ANSWER), IN_POLICY + BAD_QUERY, parameters=PAGE,
        ),
        Operation(
            "create_webhooks", "POST", WEBHOOKS, "Create webhooks: all of them or none",
            creates(answers.CREATED_WEBHOOKS), IN_POLICY + BAD_BODY + (WebhooksOverLimit,), schemas.WEBHOOKS,
        ),
        Operation("show_webhook", "GET", WEBHOOK, "Show a webhook", shows(answers.WEBHOOK_ANSWER), IN_WEBHOOK),
        Operation(
            "replace_webhook", "PUT", WEBHOOK, "Replace a webhook; its capability stays",
            DONE, IN_WEBHOOK + BAD_BODY, schemas.WEBHOOK,
        ),
        Operation("delete_webhook", "DELETE", WEBHOOK, "Delete a webhook", DONE, IN_WEBHOOK),
        Operation(
            "rotate_webhook", "POST", WEBHOOK + "/rotate", "Give a webhook another capability, in place of the old one",
            shows(answers.WEBHOOK_ANSWER), IN_WEBHOOK,
        ),
        Operation(
            "execute_capability", "POST", "/v1.0/execute/{version}/{capability}",
            "Execute the policy of a webhook; the answer does not tell whether there is one",
            (Answer(202),), IN_STORE, parameters=("Idempotency-Key",),
        ),
    ),
    "Servers": (
        Operation(
            "list_servers", "GET", SERVERS, "Not provided: the group's state has the list",
            (), BAD_QUERY + (NotProvided,), parameters=PAGE,
        ),
        Operation(
            "show_server", "GET", SERVER, "Not provided: the group's state has the list",
            (), BAD_QUERY + (NotProvided,), parameters=PAGE,
        ),
        Operation(
            "delete_server", "DELETE", SERVER, "Take a server out of its group, for good",
            (Answer(202),), IN_GROUP + BAD_QUERY + (TenantSuspended, BelowMinEntities, NoSuchServer, UpstreamUnavailable),
            parameters=("replace", "purge"),
        ),
    ),
    "About": (
        Operation(
            "show_limits", "GET", "/v1.0/{tenant}/limits", "Show how much of everything a tenant may have",
            (Answer(200, answers.LIMITS, kinds=(JSON, XML)),),
        ),
        Operation(
            "show_health", "GET", "/health", "Tell whether otter can do what it is for",
            (Answer(200, answers.HEALTH), Answer(503, answers.HEALTH, ("Retry-After",))),
        ),
        Operation("answer_at_all", "GET", "/", "Tell that the process answers", (Answer(200),)),
        Operation("describe", "GET", "/openapi.json", "Show this description", shows(answers.DESCRIPTION)),
    ),
}  # fmt: skip
"""By subject. What is refused for reasons that any request may meet is not listed with each."""
EVERYWHERE = (BodyTooLarge,)
AT_THE_GATE = (InvalidCredentials, Forbidden, UpstreamUnavailable)
"""Where there is a tenant, if tokens are looked at."""

ABOUT = """\
Every path works with and without one slash at its end, and HEAD wherever GET does. Bodies are JSON, whatever
Content-Type says. An integer is written without a fraction: 3.0 is none."""


def description(root: str) -> Json:
    """The whole document. :param root: what all URLs begin with."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "otter", "version": "1.0", "summary": "An autoscaling service", "description": ABOUT},
        "servers": [{"url": root}],
        "tags": [{"name": subject} for subject in OPERATIONS],
        "paths": paths(),
        "components": {
            "schemas": {name: referring(schema) for name, schema in (schemas.NAMED | answers.NAMED).items()},
            "parameters": {name: {"name": name, **rest} for name, rest in PARAMETERS.items()},
            "headers": HEADERS,
            "securitySchemes": {"token": TOKEN},
        },
    }


def paths() -> Json:
    found: Json = {}
    for subject, operations in OPERATIONS.items():
        for each in operations:
            found.setdefault(each.path, {})[each.method.lower()] = {"tags": [subject], **described(each)}
    return found


def described(operation: Operation) -> Json:
    names = (*re.findall(r"{(\w+)}", operation.path), *operation.parameters)
    body = {} if operation.body is None else {"requestBody": {"required": True, "content": content(operation.body)}}
    guarded = "tenant" in names
    refusals = (*operation.refusals, *EVERYWHERE, *(AT_THE_GATE if guarded else ()))
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [reference("parameters", name) for name in names],
        **body,
        "security": [{"token": []}, {}] if guarded else [],
        "responses": {
            **{str(each.status): response(each) for each in operation.answers},
            **errors_of(refusals),
            "default": response_of("Any other error", content(answers.ERROR)),
        },
    }


def response(answer: Answer) -> Json:
    told = {} if answer.schema is None else content(answer.schema, answer.kinds)
    return response_of(HTTPStatus(answer.status).phrase, told, answer.headers)


def errors_of(refusals: Iterable[type[OtterError]]) -> Json:
    """A response for each status, with the types that it may have."""
    found = sorted({ANSWERS[refusal] for refusal in refusals})
    return {
        str(status): error_response(status, [kind for _, kind in same])
        for status, same in groupby(found, lambda it: it[0])
    }


def error_response(status: int, kinds: Sequence[str]) -> Json:
    exactly = {"properties": {"type": {"enum": list(kinds)}, "code": {"const": status}}}
    schema = {"allOf": [named(answers.ERROR)], "properties": {"error": exactly}}
    return response_of(" or ".join(kinds), {JSON: {"schema": schema}}, WITH_ERRORS.get(status, ()))


def response_of(text: str, told: Json, headers: Sequence[str] = ()) -> Json:
    shown = {name: reference("headers", name) for name in ("X-Response-Id", *headers)}
    return {"description": text, "headers": shown} | ({"content": told} if told else {})


def content(schema: Json, kinds: Sequence[str] = (JSON,)) -> Json:
    return {kind: {"schema": named(schema) if kind == JSON else {"type": "string"}} for kind in kinds}


def named(schema: Json) -> Json:
    return reference("schemas", NAMES[id(schema)])


def reference(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def referring(schema: Mapping[str, Any]) -> Json:
    """``schema``, with references in place of those parts that have a name of their own."""
    return {key: referred(value) for key, value in schema.items()}


def referred(value: Any) -> Any:
    if isinstance(value, dict):
        return named(value) if id(value) in NAMES else referring(value)
    return [referred(each) for each in value] if isinstance(value, list) else value
