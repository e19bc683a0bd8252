"""What bodies must look like. (docs/api.md, "Documents".)"""

from typing import Any

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.validators import extend

from otter.rest import examples


def is_integer(_: TypeChecker, value: Any) -> bool:
    """``3.0`` is a number, but no integer: clients read back what they sent, in value and type."""
    return isinstance(value, int) and not isinstance(value, bool)


Validator = extend(Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer))


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


def array(items: dict[str, Any], least: int = 0, most: int | None = None) -> dict[str, Any]:
    bounds = {"minItems": least} | ({} if most is None else {"maxItems": most})
    return {"type": "array", **bounds, "items": items}


NAME = {"type": "string", "maxLength": 256, "pattern": r"[^ \t\n\r\f\v]"}
ENTITIES = {"type": "integer", "minimum": 0, "maximum": 1000}
COOLDOWN = {"type": "number", "minimum": 0, "maximum": 86400}
METADATA = {
    "type": "object",
    "propertyNames": {"maxLength": 256, "not": {"pattern": r"[\r\n]"}},
    "additionalProperties": {"type": "string", "maxLength": 256},
}
WORD = {"type": "string", "minLength": 1, "not": {"pattern": r"\s"}}

CHANGES = {
    "change": {"type": "integer", "not": {"const": 0}},
    "changePercent": {"type": "number", "not": {"const": 0}},
    "desiredCapacity": {"type": "integer", "minimum": 0},
}
SCHEDULE = {
    "type": "object",
    "oneOf": [closed({"at": {"type": "string"}}), closed({"cron": {"type": "string"}})],
}
POLICY = closed(
    {"name": NAME, "cooldown": COOLDOWN, "type": {"enum": ["webhook", "schedule"]}}, CHANGES | {"args": SCHEDULE}
)
POLICY |= {
    "oneOf": [{"required": [change]} for change in CHANGES],
    "if": {"properties": {"type": {"const": "schedule"}}},
    "then": {"required": ["args"]},
    "else": {"properties": {"args": False}},
}

GROUP_CONFIG = {"name": NAME, "cooldown": COOLDOWN | {"type": "integer"}, "minEntities": ENTITIES}
OPTIONAL_CONFIG = {"maxEntities": ENTITIES, "metadata": METADATA}
NEW_CONFIG = closed(GROUP_CONFIG, OPTIONAL_CONFIG)
CONFIG = closed(GROUP_CONFIG | OPTIONAL_CONFIG)

BALANCERS = {
    "CloudLoadBalancer": closed(
        {"loadBalancerId": {"anyOf": [{"type": "integer"}, WORD]}, "port": {"type": "integer"}},
        {"type": {"const": "CloudLoadBalancer"}},
    ),
    "RackConnectV3": closed({"loadBalancerId": WORD, "type": {"const": "RackConnectV3"}}),
}
"""One entry for each of ``cloud.balancers.kinds.KINDS``."""
BALANCER = {
    "type": "object",
    "properties": {"type": {"enum": list(BALANCERS)}},
    "if": {"properties": {"type": {"const": "RackConnectV3"}}, "required": ["type"]},
    "then": BALANCERS["RackConnectV3"],
    "else": BALANCERS["CloudLoadBalancer"],
}
SERVER_METADATA = {
    "type": ["object", "null"],
    "propertyNames": {"minLength": 1, "maxLength": 255, "not": {"pattern": r"[^A-Za-z0-9\-_:. ]"}},
    "additionalProperties": {"type": "string", "maxLength": 255},
}
PERSONALITY = array(
    {
        "type": "object",
        "required": ["path", "contents"],
        "properties": {"path": {"type": "string", "minLength": 1, "maxLength": 255}, "contents": {"type": "string"}},
    }
)
OBJECTS = array({"type": "object"})
NO_IMAGE = {"properties": {"imageRef": {"enum": [None, ""]}}}
SERVER = {
    "type": "object",
    "required": ["flavorRef"],
    "properties": {
        "flavorRef": WORD,
        "metadata": SERVER_METADATA,
        "personality": PERSONALITY,
        "block_device_mapping": OBJECTS,
    },
    "anyOf": [
        {"required": ["imageRef"], "properties": {"imageRef": WORD}},
        {"required": ["block_device_mapping"], **NO_IMAGE},
        {
            "required": ["block_device_mapping_v2"],
            "properties": {"block_device_mapping_v2": OBJECTS, **NO_IMAGE["properties"]},
        },
    ],
}
DRAINING = {"type": "number", "minimum": 30, "maximum": 3600}
LAUNCH_ARGS = closed(
    {"server": SERVER},
    {"loadBalancers": array(BALANCER, most=5) | {"uniqueItems": True}, "draining_timeout": DRAINING},
)
TEXT_OR_OBJECT = {"type": ["string", "object"]}
STACK = closed(
    {},
    {
        "template": TEXT_OR_OBJECT,
        "template_url": {"type": "string"},
        "disable_rollback": {"type": "boolean"},
        "environment": TEXT_OR_OBJECT,
        "files": {"type": "object"},
        "parameters": {"type": "object"},
        "timeout_mins": {"type": "number"},
    },
)
STACK |= {"oneOf": [{"required": ["template"]}, {"required": ["template_url"]}]}
LAUNCHES = {"launch_server": LAUNCH_ARGS, "launch_stack": closed({"stack": STACK})}
LAUNCH = closed({"type": {"enum": list(LAUNCHES)}, "args": {"type": "object"}}) | {
    "if": {"properties": {"type": {"const": "launch_stack"}}, "required": ["type"]},
    "then": {"properties": {"args": LAUNCHES["launch_stack"]}},
    "else": {"properties": {"args": LAUNCHES["launch_server"]}},
}
GROUP = closed(
    {"groupConfiguration": NEW_CONFIG, "launchConfiguration": LAUNCH}, {"scalingPolicies": array(POLICY, most=100)}
)
WEBHOOK = closed({"name": NAME, "metadata": METADATA})
NEW_WEBHOOK = closed({"name": NAME}, {"metadata": METADATA})
POLICIES = array(POLICY, 1, 100)
WEBHOOKS = array(NEW_WEBHOOK, 1, 100)

GROUP |= {"examples": examples.GROUPS}
CONFIG |= {"examples": [examples.CONFIG]}
LAUNCH |= {"examples": examples.LAUNCHES}
POLICY |= {"examples": examples.POLICIES}
POLICIES |= {"examples": [examples.POLICIES]}
WEBHOOK |= {"examples": [examples.WEBHOOK]}
WEBHOOKS |= {"examples": [examples.NEW_WEBHOOKS]}

NAMED = {
    "NewGroup": GROUP,
    "NewGroupConfiguration": NEW_CONFIG,
    "GroupConfiguration": CONFIG,
    "LaunchConfiguration": LAUNCH,
    "LaunchServer": LAUNCH_ARGS,
    "Server": SERVER,
    "LoadBalancer": BALANCER,
    "LaunchStack": LAUNCHES["launch_stack"],
    "Stack": STACK,
    "NewPolicy": POLICY,
    "NewPolicies": POLICIES,
    "Schedule": SCHEDULE,
    "ReplacedWebhook": WEBHOOK,
    "NewWebhook": NEW_WEBHOOK,
    "NewWebhooks": WEBHOOKS,
    "Metadata": METADATA,
}
"""What the description of the API calls them. (``rest.openapi``.)"""

GROUP_BODY = Validator(GROUP)
CONFIG_BODY = Validator(CONFIG)
LAUNCH_BODY = Validator(LAUNCH)
POLICY_BODY = Validator(POLICY)
POLICIES_BODY = Validator(POLICIES)
WEBHOOK_BODY = Validator(WEBHOOK)
WEBHOOKS_BODY = Validator(WEBHOOKS)
