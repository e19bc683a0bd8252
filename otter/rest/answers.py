"""What answers look like; every object of otter's own is closed. (docs/api.md, "Documents" and "Errors".)"""

from typing import Any

from otter.rest.schemas import CONFIG, LAUNCH, POLICY, WEBHOOK, array, closed


def extended(
    schema: dict[str, Any], required: dict[str, Any], optional: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What was sent as ``schema``, shown with properties of otter's own."""
    rules = {key: value for key, value in schema.items() if key != "examples"}
    return rules | {
        "properties": schema["properties"] | required | (optional or {}),
        "required": [*schema["required"], *required],
    }


TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}
ID = {"type": "string", "format": "uuid"}
LINK = closed({"rel": TEXT, "href": {"type": "string", "format": "uri"}})
LINKS = array(LINK)
NEXT = LINKS | {"maxItems": 1}
OWN = {"id": ID, "links": array(LINK, 1)}
"""What otter adds to everything that has a URL."""

MEMBER = closed({"id": TEXT, "links": array({"type": "object"})})
"""A server in service; its links are Nova's."""
STATE = closed(
    {
        "name": TEXT,
        "status": {"enum": ["ACTIVE", "ERROR"]},
        "paused": FLAG,
        "held": FLAG,
        "generation": COUNT | {"minimum": 1},
        "converged_generation": COUNT,
        "desiredCapacity": COUNT,
        "activeCapacity": COUNT,
        "pendingCapacity": COUNT,
        "active": array(MEMBER),
    },
    {"errors": array(closed({"message": TEXT}))},
)
STATE |= {
    "if": {"properties": {"status": {"const": "ERROR"}}},
    "then": {"required": ["errors"]},
    "else": {"properties": {"errors": False}},
}

SHOWN_WEBHOOK = extended(WEBHOOK, OWN)
SHOWN_POLICY = extended(POLICY, OWN)
POLICY_IN_MANIFEST = extended(POLICY, OWN, {"webhooks": array(SHOWN_WEBHOOK), "webhooks_links": LINKS}) | {
    "dependentRequired": {"webhooks": ["webhooks_links"], "webhooks_links": ["webhooks"]}
}
LISTED_GROUP = closed(OWN | {"state": STATE})
MANIFEST = extended(
    LISTED_GROUP,
    {
        "groupConfiguration": CONFIG,
        "launchConfiguration": LAUNCH,
        "scalingPolicies": array(POLICY_IN_MANIFEST),
        "scalingPolicies_links": LINKS,
    },
)

OBSERVED = closed({}, dict.fromkeys(("ACTIVE", "BUILD", "BROKEN", "DELETING", "GONE", "OTHER", "PENDING"), COUNT))
STEPS = ("CreateServer", "DeleteServer", "MarkLeaving", "ReleaseServer", "AddNodes", "ChangeNodes", "RemoveNodes")
ENTRY = closed(
    {
        "id": TEXT | {"pattern": "^[0-9]{12}$"},
        "time": TEXT | {"format": "date-time"},
        "desiredCapacity": COUNT,
        "observed": OBSERVED | {"type": ["object", "null"]},
        "plan": closed({}, dict.fromkeys(STEPS, COUNT)),
        "outcome": {"enum": ["DONE", "AGAIN", "MORE", "BLOCKED", "OVER", None]},
        "status": {"enum": ["ACTIVE", "ERROR"]},
        "reasons": array(TEXT),
    }
)

STATE_ANSWER = closed({"group": STATE})
MANIFEST_ANSWER = closed({"group": MANIFEST})
HISTORY_ANSWER = closed({"history": array(ENTRY), "history_links": NEXT})
GROUPS_ANSWER = closed({"groups": array(LISTED_GROUP), "groups_links": NEXT})
CONFIG_ANSWER = closed({"groupConfiguration": CONFIG})
LAUNCH_ANSWER = closed({"launchConfiguration": LAUNCH})
POLICY_ANSWER = closed({"policy": SHOWN_POLICY})
POLICIES_ANSWER = closed({"policies": array(SHOWN_POLICY), "policies_links": NEXT})
CREATED_POLICIES = closed({"policies": array(SHOWN_POLICY, 1)})
WEBHOOK_ANSWER = closed({"webhook": SHOWN_WEBHOOK})
WEBHOOKS_ANSWER = closed({"webhooks": array(SHOWN_WEBHOOK), "webhooks_links": NEXT})
CREATED_WEBHOOKS = closed({"webhooks": array(SHOWN_WEBHOOK, 1)})
EXECUTED = closed({})
LIMITS = closed(
    {
        "limits": closed(
            {"absolute": closed({"maxGroups": COUNT, "maxPoliciesPerGroup": COUNT, "maxWebhooksPerPolicy": COUNT})}
        )
    }
)
HEALTH = closed(
    {
        "healthy": FLAG,
        "degraded": FLAG,
        "engine": TEXT,
        "worker_tenants": COUNT,
        "held": closed({"everything": FLAG, "tenants": COUNT}),
        "store": closed({"healthy": FLAG}, {"details": TEXT}),
        "coordination": closed({"healthy": FLAG}, {"details": TEXT}),
    }
)
DESCRIPTION = {"type": "object", "required": ["openapi", "info", "paths"]}
ERROR = closed(
    {"error": closed({"type": TEXT, "code": {"type": "integer"}, "message": TEXT, "details": {"const": ""}})}
)

NAMED = {
    "Link": LINK,
    "Member": MEMBER,
    "State": STATE,
    "ListedGroup": LISTED_GROUP,
    "Manifest": MANIFEST,
    "PolicyInManifest": POLICY_IN_MANIFEST,
    "Policy": SHOWN_POLICY,
    "Webhook": SHOWN_WEBHOOK,
    "Entry": ENTRY,
    "StateAnswer": STATE_ANSWER,
    "HistoryAnswer": HISTORY_ANSWER,
    "ManifestAnswer": MANIFEST_ANSWER,
    "GroupsAnswer": GROUPS_ANSWER,
    "ConfigurationAnswer": CONFIG_ANSWER,
    "LaunchAnswer": LAUNCH_ANSWER,
    "PolicyAnswer": POLICY_ANSWER,
    "PoliciesAnswer": POLICIES_ANSWER,
    "CreatedPolicies": CREATED_POLICIES,
    "WebhookAnswer": WEBHOOK_ANSWER,
    "WebhooksAnswer": WEBHOOKS_ANSWER,
    "CreatedWebhooks": CREATED_WEBHOOKS,
    "Executed": EXECUTED,
    "Limits": LIMITS,
    "Health": HEALTH,
    "Description": DESCRIPTION,
    "Error": ERROR,
}
"""What the description of the API calls them. (``rest.openapi``.)"""
