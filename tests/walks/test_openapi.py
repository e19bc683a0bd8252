"""The description of the API: that it is OpenAPI, that it is whole, and that the service does as it says."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator

from otter.domain.limits import Limits
from otter.rest import answers, schemas
from otter.rest.app import Operations, make_app
from otter.rest.documents import Documents
from otter.rest.errors import ANSWERS
from otter.rest.openapi import description
from tests.rig.processes import until
from tests.walks.api import Api, link
from tests.walks.documents import config, group_body, launch, policy
from tests.walks.groups import grown

API = Path(__file__).parent.parent.parent / "docs" / "api.md"
DOCUMENT = description("http://here")
CAPABILITY_URL = "/v1.0/execute/{version}/{capability}"
OURS = {"etag", "location", "retry-after", "www-authenticate", "x-response-id"}
"""Headers that mean something to clients, and that are not HTTP's own."""
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def resolved(value):
    """What a reference within the document leads to; ``value`` itself if it is none."""
    for step in value.get("$ref", "").split("/")[1:]:
        value = (value if step != "components" else DOCUMENT)[step]
    return value


def body_schema(operation):
    return resolved(operation["requestBody"]["content"]["application/json"]["schema"])


WITH_BODY = {key: body_schema(operation) for key, operation in OPERATIONS.items() if "requestBody" in operation}
SENT = [(*key, example) for key, schema in WITH_BODY.items() for example in schema["examples"]]


def validator_of(schema):
    return Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def conforms(answer, method, path):
    """The answer is as described: status, headers and body."""
    responses = OPERATIONS[method, path]["responses"]
    assert str(answer.status) in responses, answer
    described = responses[str(answer.status)]
    headers = {name.lower(): resolved(header) for name, header in described["headers"].items()}
    assert {name for name in OURS if name in answer.headers} == headers.keys()
    for name, header in headers.items():
        value = answer.headers[name]
        validator_of(header["schema"]).validate(int(value) if header["schema"]["type"] == "integer" else value)
    if "content" not in described:
        assert answer.body == b""
        return
    kind = answer.headers["content-type"]
    value = answer.document if kind == "application/json" else answer.body.decode()
    validator_of(described["content"][kind]["schema"]).validate(value)


def succeeds(answer, method, path):
    """It conforms, and is what the operation is for; some only say that they are not provided."""
    statuses = [status for status in OPERATIONS[method, path]["responses"] if status < "3"] or ["501"]
    assert str(answer.status) == statuses[0], answer
    conforms(answer, method, path)


def parts(schema):
    """All objects that a schema is made of, but for its examples."""
    if isinstance(schema, list):
        return [part for each in schema for part in parts(each)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(part for key, value in schema.items() if key != "examples" for part in parts(value))]


def names_in(document):
    """The names of all fields, however deep."""
    if isinstance(document, list):
        return {name for each in document for name in names_in(each)}
    if not isinstance(document, dict):
        return set()
    return document.keys() | {name for value in document.values() for name in names_in(value)}


def with_image(document, image_id):
    """An example, for a cloud that has another image: the one thing in the examples that the simulated cloud has not."""
    if isinstance(document, list):
        return [with_image(each, image_id) for each in document]
    if not isinstance(document, dict):
        return document
    return {
        key: image_id if key == "imageRef" and value else with_image(value, image_id) for key, value in document.items()
    }


def is_example(document):
    return any(document in schema["examples"] for schema in WITH_BODY.values())


def is_answer(document):
    return any(
        validator_of(resolved({"$ref": f"#/components/schemas/{name}"})).is_valid(document) for name in answers.NAMED
    )


def blocks():
    """The JSON in docs/api.md."""
    return [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", API.read_text(), re.MULTILINE | re.DOTALL)]


def short(value):
    return json.dumps(value)[:60] if isinstance(value, (dict, list)) else str(value)


@pytest.fixture
def place(api, tenant, group):
    """What stands in paths: a group with a policy of each type, and a webhook."""
    by_hand, by_day = api.create(
        link(group) + "policies",
        policy(change=2),
        policy(type="schedule", args={"cron": "0 6 * * *"}, name="mornings"),
    )
    [hook] = api.create(link(by_hand) + "webhooks", {"name": "alarm"})
    return {
        "tenant": tenant,
        "group": group["id"],
        "policy": by_hand["id"],
        "schedule": by_day["id"],
        "webhook": hook["id"],
        "server": "none",
        "version": "1",
        "capability": link(hook, "capability").split("/")[-2],
    }


@pytest.fixture
def ask(api, otter, place):
    """``ask(method, path of the description, body, query, headers)``."""
    root = otter.root.removesuffix("/v1.0")

    def ask(method, path, body=None, query="", headers=None, **other):
        return api(method, root + path.format(**place | other) + query, body, **(headers or {}))

    return ask


def test_the_service_describes_itself_in_valid_openapi(api, otter):
    root = otter.root.removesuffix("/v1.0")
    answer = api("GET", f"{root}/openapi.json")
    OpenAPIV31SpecValidator(answer.document).validate()
    assert answer.document == DOCUMENT | {"servers": [{"url": root}]}
    conforms(answer, "GET", "/openapi.json")
    headed = api("HEAD", f"{root}/openapi.json/")
    assert (headed.status, headed.body) == (200, b"")
    assert headed.headers["content-type"] == answer.headers["content-type"] == "application/json"
    assert headed.headers["x-response-id"] != answer.headers["x-response-id"]


def test_every_route_is_described_and_nothing_else():
    app = make_app(Operations(*[None] * 4), Documents("http://here", 100, lambda tenant: False), Limits(), dict)
    routes = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule)) for rule in app.url_map.iter_rules() for method in rule.methods
    }
    heads = {path for method, path in routes if method == "HEAD"}
    assert heads == {path for method, path in routes if method == "GET"}
    described = OPERATIONS.keys() - {("POST", CAPABILITY_URL)}
    assert described == {(method, path) for method, path in routes if method != "HEAD"}
    assert ("POST", CAPABILITY_URL) in OPERATIONS


def test_the_schemas_of_bodies_are_those_that_bodies_are_checked_with():
    checked = [value.schema for name, value in vars(schemas).items() if name.endswith("_BODY")]
    described = [DOCUMENT["components"]["schemas"][name] for name, it in schemas.NAMED.items() if it in checked]
    assert len(described) == len(checked) == len(WITH_BODY)
    assert all(schema in described for schema in WITH_BODY.values())


def test_the_errors_are_those_of_the_table():
    described = {
        (schema["properties"]["error"]["properties"]["code"]["const"], kind)
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        for schema in [response.get("content", {}).get("application/json", {}).get("schema", {})]
        if "allOf" in schema
        for kind in schema["properties"]["error"]["properties"]["type"]["enum"]
    }
    assert described == set(ANSWERS.values())


def test_the_examples_show_every_field_that_can_be_sent():
    named = {name for part in parts(list(schemas.NAMED.values())) for name in part.get("properties", ())}
    assert named - names_in([example for *_, example in SENT]) == set()


@pytest.mark.parametrize(("method", "path", "example"), SENT, ids=short)
def test_every_example_is_accepted_and_shown_again(ask, cloud, place, method, path, example):
    body = with_image(example, cloud.image_id())
    at = {"policy": place["schedule"]} if path.endswith("{policy}") and example["type"] == "schedule" else {}
    succeeds(ask(method, path, body, **at), method, path)
    shown = ask("GET", path, **at)
    succeeds(shown, "GET", path)
    if method == "PUT":
        [document] = shown.document.values()
        assert body.items() <= document.items()


def test_a_body_that_fits_no_schema_would_be_noticed():
    [block] = [block for block in blocks() if block.get("type") == "webhook"]
    assert is_example(block)
    assert not is_example(block | {"change": 3})
    assert not is_answer(block)


def test_all_json_in_the_page_about_the_api_is_an_example_or_an_answer():
    assert [block for block in blocks() if not is_example(block) and not is_answer(block)] == []


@pytest.mark.parametrize(
    "name",
    ["GroupConfiguration", "LaunchConfiguration", "NewPolicy", "ReplacedWebhook", "State", "Error", "Limits", "Health"],
)
def test_the_page_about_the_api_shows_each_document(name):
    schema = DOCUMENT["components"]["schemas"][name]
    assert [block for block in blocks() if validator_of(schema).is_valid(block)]


def test_every_object_of_otters_own_in_an_answer_is_closed():
    def is_open(part):
        return part.get("type") == "object" and part.get("additionalProperties") is not False

    described = DOCUMENT["components"]["schemas"]
    assert {name for name in answers.NAMED if any(map(is_open, parts(described[name])))} == {"Member", "Description"}


def test_a_field_that_is_not_described_would_be_noticed(api, group):
    document = api("GET", link(group)).document
    schema = DOCUMENT["components"]["schemas"]["ManifestAnswer"]
    validator_of(schema).validate(document)
    for level in (document, document["group"], document["group"]["state"], document["group"]["links"][0]):
        level["more"] = 1
        with pytest.raises(ValidationError):
            validator_of(schema).validate(document)
        del level["more"]


def test_a_group_with_everything_is_shown_as_described_and_all_can_be_done_to_it(otter, cloud, api, ask):
    """Every operation that takes no body, on a group that has servers, policies, webhooks and troubles."""
    group = grown(otter, cloud, 2)
    created = api.create(f"{group.url}/policies", *[policy(name=f"p{number}") for number in range(3)])
    up = next(each for each in created if each["name"] == "p0")
    hooks = api.create(link(up) + "webhooks", {"name": "a"}, {"name": "b", "metadata": {"c": "d"}})
    at = {"group": group.id, "policy": up["id"], "webhook": hooks[0]["id"]}
    at |= {"server": api("GET", f"{group.url}/state").document["group"]["active"][0]["id"]}
    at |= {"capability": link(hooks[1], "capability").split("/")[-2]}
    for method, path in in_order(OPERATIONS.keys() - WITH_BODY.keys()):
        for query in {"GET": ["", "?limit=1", "?webhooks=true"], "DELETE": ["?force=true"]}.get(method, [""]):
            succeeds(ask(method, path, query=query, **at), method, path)


def in_order(keys):
    """What shows comes first, and what deletes last, the inner things before the outer ones."""
    ranks = {"GET": 0, "POST": 1, "DELETE": 2}
    described = list(OPERATIONS)
    return sorted(
        keys, key=lambda key: (ranks[key[0]], -key[1].count("/") if key[0] == "DELETE" else described.index(key))
    )


def test_a_group_in_trouble_is_shown_as_described(api, ask, cloud):
    sick = group_body(minEntities=1) | {"launchConfiguration": launch([{"loadBalancerId": 9099, "port": 80}])}
    made = api("POST", "/groups", sick).document["group"]
    until(lambda: api.state(made).get("errors"), 30, 0.1, "ERROR")
    path = "/v1.0/{tenant}/groups/{group}/state"
    answer = ask("GET", path, group=made["id"])
    assert answer.document["group"]["errors"]
    succeeds(answer, "GET", path)


def test_limits_are_shown_in_xml_as_described(ask):
    path = "/v1.0/{tenant}/limits"
    answer = ask("GET", path, headers={"accept": "application/xml"})
    assert answer.headers["content-type"] == "application/xml"
    succeeds(answer, "GET", path)


GROUP = "/v1.0/{tenant}/groups/{group}"
POLICY = GROUP + "/policies/{policy}"
NOT_A_TAG = {"if-match": '"none"'}
REFUSED = [
    ("POST", "/v1.0/{tenant}/groups", b"{", 400),
    ("POST", "/v1.0/{tenant}/groups", {}, 400),
    ("POST", "/v1.0/{tenant}/groups", group_body(minEntities=5, maxEntities=4), 400),
    ("POST", "/v1.0/{tenant}/groups", b" " * (1024**2 + 1), 413),
    ("PUT", GROUP + "/launch", launch(flavorRef="8888"), 400),
    ("PUT", POLICY + "/webhooks/{webhook}", {"name": "no metadata"}, 400),
    ("POST", POLICY + "/webhooks", [{"name": "x"}] * 26, 422),
    ("POST", GROUP + "/policies", [policy()] * 100, 422),
    ("DELETE", GROUP + "/servers/{server}", None, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED, ids=short)
def test_a_refusal_is_as_described(ask, method, path, body, status):
    answer = ask(method, path, body)
    assert answer.status == status
    conforms(answer, method, path)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PUT", GROUP + "/config", config()), ("PUT", POLICY, policy()), ("DELETE", POLICY, None)],
)
def test_a_refusal_by_a_tag_is_as_described(ask, method, path, body):
    answer = ask(method, path, body, headers=NOT_A_TAG)
    assert answer.status == 412
    conforms(answer, method, path)


@pytest.mark.parametrize("query", ["limit=x", "force=x", "replace=x", "purge=x"])
def test_a_refused_parameter_is_as_described(ask, query):
    name = query.partition("=")[0]
    taking = [key for key, it in OPERATIONS.items() if {"$ref": f"#/components/parameters/{name}"} in it["parameters"]]
    assert taking
    for method, path in taking:
        answer = ask(method, path, query=f"?{query}")
        assert answer.refusal == (400, "InvalidQueryArgument")
        conforms(answer, method, path)


@pytest.mark.parametrize(
    ("what", "kind"),
    [("group", "NoSuchScalingGroupError"), ("policy", "NoSuchPolicyError"), ("webhook", "NoSuchWebhookError")],
)
def test_what_is_not_there_is_refused_as_described(ask, cloud, what, kind):
    """By every operation that says so, and by no other."""
    refusing = []
    for (method, path), operation in OPERATIONS.items():
        if f"{{{what}}}" not in path:
            continue
        body = (
            with_image(WITH_BODY[method, path]["examples"][0], cloud.image_id()) if "requestBody" in operation else None
        )
        answer = ask(method, path, body, **{what: "none"})
        conforms(answer, method, path)
        if answer.status == 404:
            assert answer.refusal == (404, kind)
            refusing.append((method, path))
    assert set(refusing) == {key for key, it in OPERATIONS.items() if kind in str(it["responses"].get("404"))}


def test_a_resting_group_and_a_policy_that_changes_nothing_are_refused_as_described(ask):
    execute, tag = POLICY + "/execute", {"idempotency-key": "once"}
    succeeds(ask("POST", execute, headers=tag), "POST", execute)
    ask("PUT", GROUP + "/config", config(maxEntities=2))
    for headers, refusal in [
        ({}, (403, "CannotExecutePolicyError")),
        ({"idempotency-key": "x" * 256}, (400, "InvalidIdempotencyKey")),
    ]:
        answer = ask("POST", execute, headers=headers)
        assert answer.refusal == refusal
        conforms(answer, "POST", execute)
    assert ask("DELETE", GROUP).refusal == (403, "GroupNotEmptyError")
    ask("POST", GROUP + "/pause")
    for path in (execute, GROUP + "/converge"):
        answer = ask("POST", path)
        assert answer.refusal == (403, "GroupPausedError")
        conforms(answer, "POST", path)


def test_without_a_token_only_what_is_for_everybody_is_answered_where_tokens_are_looked_at(guarded, place):
    strict = Api(guarded.root.removesuffix("/v1.0"))
    for (method, path), operation in OPERATIONS.items():
        answer = strict(method, path.format(**place))
        assert (answer.status == 401) == ({"token": []} in operation["security"]), (method, path)
        conforms(answer, method, path)
