"""Callers with a token, and without: who may do what. (Contract, 4.)"""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from attrs import frozen

from tests.rig.mimic import Cloud
from tests.rig.processes import until
from tests.rig.proxying import cut, delay, drop, garbage, html, status
from tests.rig.tokens import good
from tests.rig.toys import ToyUpstream
from tests.walks.api import Api, link, sent_raw
from tests.walks.documents import config, group_body, launch, policy

ADMIN, OBSERVER = "autoscale:admin", "autoscale:observer"
UNAUTHORIZED, FORBIDDEN = (401, "InvalidCredentials"), (403, "Forbidden")
WEBHOOK = {"name": "hook", "metadata": {}}


@frozen
class Bearer(Api):
    """Sends the token with everything."""

    token: str

    def __call__(self, method, path, body=None, **headers):
        return Api.__call__(self, method, path, body, **{"x_auth_token": self.token} | headers)


@pytest.fixture
def anonymous(guarded, tenant):
    return Api(f"{guarded.root}/{tenant}")


@pytest.fixture
def bearer(guarded, tenant, tokens):
    """Makes callers of the tenant, with these roles."""
    return lambda *roles: Bearer(f"{guarded.root}/{tenant}", tokens.issue(tenant, *roles))


@pytest.fixture
def admin(bearer):
    return bearer(ADMIN)


@pytest.fixture
def family(admin):
    """A group, its policy and its webhook."""
    group = admin.create_group(policy())
    [up] = group["scalingPolicies"]
    [hook] = admin.create(link(up) + "webhooks", WEBHOOK)
    return group, up, hook


def refused(method, answer, refusal):
    """It is this refusal; that of a HEAD has no body to tell."""
    if method == "HEAD":
        return (answer.status, answer.body) == (refusal[0], b"")
    return answer.refusal == refusal


# Row 81: without a good token

PATHS = [
    "",
    "/",
    "/limits",
    "/limits/",
    "/groups",
    "/groups/",
    "/groups/none",
    "/groups/none/",
    "/groups/none/policies/none/webhooks/none",
    "/nothing",
    "/groups/none/nothing",
    "/groups//none",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "STRANGE"]


@pytest.mark.parametrize("method", METHODS)
def test_row_81_without_a_token_nothing_is_told_whether_or_not_it_exists(anonymous, family, method):
    group, up, hook = family
    for path in [*PATHS, *map(link, (group, up, hook)), link(group).rstrip("/"), link(group) + "?webhooks=true"]:
        assert refused(method, anonymous(method, path), UNAUTHORIZED), path


@pytest.mark.parametrize("method", METHODS)
def test_row_81_nor_with_a_token_that_nobody_has_or_whose_time_is_over(anonymous, tenant, tokens, family, method):
    over = tokens.issue(tenant, ADMIN, seconds=-1)
    for path in [*PATHS, link(family[0])]:
        assert refused(method, anonymous(method, path, x_auth_token="nobodys"), UNAUTHORIZED), path
        assert refused(method, anonymous(method, path, x_auth_token=over), UNAUTHORIZED), path


@pytest.mark.parametrize("method", METHODS)
def test_row_81_with_another_tenants_token_nothing_is_told_either(anonymous, tokens, family, method):
    foreign = tokens.issue("somebody-else", ADMIN)
    for path in [*PATHS, *map(link, family)]:
        assert refused(method, anonymous(method, path, x_auth_token=foreign), FORBIDDEN), path


def test_row_81_with_a_token_that_is_for_no_tenant_nothing_may_be_done(anonymous, tokens):
    assert anonymous("GET", "/limits", x_auth_token=tokens.issue(None, ADMIN)).refusal == FORBIDDEN


@pytest.mark.parametrize("cased", [str.upper, lambda tenant: tenant + "%20", lambda tenant: tenant[:-1]])
def test_row_81_tenants_are_compared_exactly(guarded, tenant, admin, cased):
    assert admin("GET", f"{guarded.root}/{cased(tenant)}/limits").refusal == FORBIDDEN


def test_with_a_good_token_everything_is_as_it_is_without_authentication(admin):
    assert admin("GET", "/limits").status == admin("GET", "/limits/").status == admin("HEAD", "/limits").status == 200
    assert admin("GET", "/groups/none").refusal == (404, "NoSuchScalingGroupError")
    assert admin("GET", "/nothing").refusal == (404, "NotFound")
    assert admin("GET", "").refusal == (404, "NotFound")
    assert admin("PATCH", "/groups").refusal == (405, "MethodNotAllowed")
    assert admin("POST", "/groups", b"{").refusal == (400, "InvalidJsonError")
    assert json.loads(admin("POST", "/groups", group_body()).body)["group"]["id"]


def test_a_token_is_refused_when_its_own_time_is_over_though_others_are_remembered_for_longer(guard, tenant):
    otter, tokens = guard(cache_ttl=3600)
    caller = Bearer(f"{otter.root}/{tenant}", tokens.issue(tenant, ADMIN, seconds=4))
    assert caller("GET", "/limits").status == 200
    until(lambda: caller("GET", "/limits").status == 401, saying="the token's time is over")


@pytest.mark.parametrize("zone", ["+00:00", "-05:00", ""])
def test_a_tokens_end_may_be_in_any_time_zone(anonymous, tenant, tokens, zone):
    ends = {year: tokens.issue(tenant, ADMIN, expires=f"{year}-01-01T00:00:00.000{zone}") for year in (2001, 2999)}
    assert anonymous("GET", "/limits", x_auth_token=ends[2001]).refusal == UNAUTHORIZED
    assert anonymous("GET", "/limits", x_auth_token=ends[2999]).status == 200


def test_without_the_mode_no_token_is_read(api):
    assert api("GET", "/groups").status == api("GET", "/groups", x_auth_token="nobodys").status == 200
    assert api("POST", "/groups", group_body(), x_auth_token="nobodys").status == 201


# What is for everybody


@pytest.mark.parametrize("path", ["/", "/health", "/health/", "/openapi.json"])
@pytest.mark.parametrize("token", [None, "nobodys"])
def test_what_is_for_everybody_needs_no_token(guarded, path, token):
    headers = {} if token is None else {"x_auth_token": token}
    root = guarded.root.removesuffix("/v1.0")
    assert Api(root)("GET", path, **headers).status == Api(root)("HEAD", path, **headers).status == 200


@pytest.mark.parametrize("token", ["none", "empty", "nobodys", "foreign", "observer"])
def test_row_81_a_capability_url_is_for_everybody(anonymous, admin, tokens, tenant, family, token):
    group, _, hook = family
    given = {
        "none": {},
        "empty": {"x_auth_token": ""},
        "nobodys": {"x_auth_token": "nobodys"},
        "foreign": {"x_auth_token": tokens.issue("somebody-else", ADMIN)},
        "observer": {"x_auth_token": tokens.issue(tenant, OBSERVER)},
    }[token]
    answer = anonymous("POST", link(hook, "capability"), **given)
    assert (answer.status, answer.body) == (202, b"")
    assert admin.desired(group) == 1
    assert anonymous("POST", f"{urls(anonymous)}/execute/1/nothing", **given).status == 202
    assert anonymous("GET", link(hook, "capability"), **given).refusal == (405, "MethodNotAllowed")
    assert admin("DELETE", link(group) + "?force=true").status == 204


def urls(api):
    """``http://.../v1.0``"""
    return api.root.rpartition("/")[0]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["", "/", "/groups", "/groups/", "/limits", "/1", "/1/x/y"])
def test_execute_is_no_tenant(anonymous, tokens, method, path):
    for given in ({}, {"x_auth_token": tokens.issue("execute", ADMIN)}):
        answer = anonymous(method, f"{urls(anonymous)}/execute{path}", group_body(), **given)
        assert answer.refusal == (404, "NotFound")


DISGUISES = [
    "//v1.0/{}/groups",
    "///v1.0/{}/groups",
    "/%2Fv1.0/{}/groups",
    "/%2fv1.0/{}/groups",
    "/v1.0//{}/groups",
    "/v1.0%2F{}/groups",
    "/v1.0/{}%2Fgroups",
    "/%76%31%2e%30/{}/groups",
    "/v1.0/{}/%67roups",
    "/health/../v1.0/{}/groups",
    "/health%2F..%2Fv1.0/{}/groups",
    "/v1.0/execute/../{}/groups",
    "/v1.0/execute/1/x/../../../{}/groups",
    "/v1.0/{}/groups;x",
    "/v1.0/{}/groups?x",
    "/v1.0/{}/groups#x",
    "/v1.0/{}/groups/%00",
    "/v1.0/{}%0A/groups",
    "/v1.0/{}/groups%0A",
    "/v1.0/%ff{}/groups",
    "http://x/v1.0/{}/groups",
    "http://x/health",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_there_is_no_way_around(guarded, tenant, admin, method, disguise):
    body = json.dumps(group_body()).encode()
    head = f"{method} {disguise.format(tenant)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    assert sent_raw(guarded.root, head.encode() + body).refusal in (UNAUTHORIZED, (404, "NotFound"))
    assert admin("GET", "/groups").document["groups"] == []


# What stands in the header


def with_headers(guarded, tenant, *lines):
    head = b"\r\n".join([f"GET /v1.0/{tenant}/limits HTTP/1.1".encode(), b"Host: x", *lines])
    return sent_raw(guarded.root, head + b"\r\n\r\n")


GARBAGE = [b"", b" ", b"\xff\xfe", b"caf\xc3\xa9", b"a b", b"\x7f", b"a\tb", b"<x>", b"{}", b"a" * 9000, b".", b".."]
WAYS = [b"../tenants", b"x/endpoints", b"..%2Ftenants", b"x?belongsTo=1", b"x#y", b"%2e%2e", b"\\..\\x"]


@pytest.mark.parametrize("garbage", [*GARBAGE, *WAYS], ids=lambda text: str(text[:12]))
def test_what_can_be_no_token_is_refused_and_identity_is_not_asked(guarded, tenant, tokens, garbage):
    before = len(tokens.proxy.log(""))
    assert with_headers(guarded, tenant, b"X-Auth-Token: " + garbage).refusal == UNAUTHORIZED
    assert len(tokens.proxy.log("")) == before


def test_two_tokens_are_none(guarded, tenant, admin):
    line = b"X-Auth-Token: " + admin.token.encode()
    assert with_headers(guarded, tenant, line).status == 200
    assert with_headers(guarded, tenant, line, line).refusal == UNAUTHORIZED


@pytest.mark.parametrize("name", [b"x-auth-token", b"X-AUTH-TOKEN"])
def test_the_headers_name_is_in_any_case(guarded, tenant, admin, name):
    assert with_headers(guarded, tenant, name + b":  " + admin.token.encode() + b" ").status == 200


def test_a_refusal_says_what_to_do(anonymous, bearer, tenant, tokens):
    def message(*roles, **given):
        return anonymous("POST", "/groups", group_body(), **given).document["error"]["message"]

    assert "X-Auth-Token is missing" in message()
    assert "get a new one" in message(x_auth_token="nobodys")
    assert tenant in message(x_auth_token=tokens.issue("somebody-else", ADMIN))
    assert "identity:user-admin" in message(x_auth_token=tokens.issue(tenant, OBSERVER))
    assert anonymous("GET", "/limits").headers["www-authenticate"] == "Keystone"


# Row 82: roles

EVERYBODY, ADMINS = "everybody", "admins"
G, P, W = "/groups/{group}", "/groups/{group}/policies/{policy}", "/groups/{group}/policies/{policy}/webhooks/{webhook}"
OPERATIONS = [
    ("GET", "/groups", None, 200, EVERYBODY),
    ("POST", "/groups", group_body(), 201, ADMINS),
    ("GET", G, None, 200, EVERYBODY),
    ("GET", G + "?webhooks=false", None, 200, EVERYBODY),
    ("GET", G + "?webhooks=true", None, 200, ADMINS),
    ("DELETE", G, None, 204, ADMINS),
    ("GET", G + "/state", None, 200, EVERYBODY),
    ("POST", G + "/converge", None, 204, ADMINS),
    ("POST", G + "/pause", None, 204, ADMINS),
    ("POST", G + "/resume", None, 204, ADMINS),
    ("GET", G + "/config", None, 200, EVERYBODY),
    ("PUT", G + "/config", config(), 204, ADMINS),
    ("GET", G + "/launch", None, 200, EVERYBODY),
    ("PUT", G + "/launch", launch(), 204, ADMINS),
    ("GET", G + "/policies", None, 200, EVERYBODY),
    ("POST", G + "/policies", [policy()], 201, ADMINS),
    ("GET", P, None, 200, EVERYBODY),
    ("PUT", P, policy(), 204, ADMINS),
    ("DELETE", P, None, 204, ADMINS),
    ("POST", P + "/execute", None, 202, ADMINS),
    ("GET", P + "/webhooks", None, 200, ADMINS),
    ("POST", P + "/webhooks", [WEBHOOK], 201, ADMINS),
    ("GET", W, None, 200, ADMINS),
    ("PUT", W, WEBHOOK, 204, ADMINS),
    ("DELETE", W, None, 204, ADMINS),
    ("GET", G + "/servers", None, 501, EVERYBODY),
    ("GET", G + "/servers/none", None, 501, EVERYBODY),
    ("DELETE", G + "/servers/none", None, 404, ADMINS),
    ("GET", "/limits", None, 200, EVERYBODY),
]


def slashed(path):
    return path.replace("?", "/?") if "?" in path else path + "/"


@pytest.mark.parametrize(("method", "path", "body", "good_status", "whose"), OPERATIONS)
def test_row_82_each_operation_is_for_those_with_the_role_for_it(
    family, bearer, admin, anonymous, method, path, body, good_status, whose
):
    group, up, hook = family
    here = path.format(group=group["id"], policy=up["id"], webhook=hook["id"])
    observer, clerk, methods = bearer(OBSERVER), bearer("nova:admin"), [method]
    if method == "GET":
        methods.append("HEAD")
    for each in methods:
        for place in (here, slashed(here)):
            assert refused(each, anonymous(each, place, body), UNAUTHORIZED)
            assert refused(each, clerk(each, place, body), FORBIDDEN)
            looked = observer(each, place, body)
            if whose == ADMINS:
                assert refused(each, looked, FORBIDDEN)
            else:
                assert looked.status == good_status
                assert b"execute/1/" not in looked.body
    assert admin("GET", link(hook)).status == 200  # nobody has deleted it
    assert admin.state(group)["generation"] == 1  # nor changed the group
    assert admin(method, here, body).status == good_status


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "STRANGE"])
def test_row_82_odd_methods_are_nothing_for_observers(bearer, admin, method):
    assert bearer(OBSERVER)(method, "/groups").refusal == FORBIDDEN
    assert admin(method, "/groups").refusal == (405, "MethodNotAllowed")


@pytest.mark.parametrize(
    "path",
    [
        G + "?webhooks=TRUE",
        G + "?%77ebhooks=tru%65",
        G + "/?limit=1&webhooks=true",
        G + "?webhooks=true&webhooks=false",
        "/%67roups/{group}?webhooks=true",
        P + "/%77ebhooks",
        P + "%2Fwebhooks",
        P.replace("/", "%2F") + "%2Fwebhooks%2F{webhook}",
    ],
)
def test_row_82_observers_do_not_get_at_webhooks_by_other_spellings(bearer, family, path):
    group, up, hook = family
    here = path.format(group=group["id"], policy=up["id"], webhook=hook["id"])
    here = here if here.startswith("/") else "/" + here.removeprefix("%2F")
    assert bearer(OBSERVER)("GET", here).refusal == FORBIDDEN


@pytest.mark.parametrize("role", ["autoscale:admin", "admin", "identity:user-admin"])
def test_row_82_each_of_these_roles_is_an_administrators(bearer, role):
    assert bearer(role)("POST", "/groups", group_body()).status == 201


@pytest.mark.parametrize("role", ["autoscale:observer", "observer"])
def test_row_82_each_of_these_roles_is_an_observers(bearer, role):
    assert bearer(role)("GET", "/groups").status == 200
    assert bearer(role)("POST", "/groups", group_body()).refusal == FORBIDDEN


@pytest.mark.parametrize("roles", [(OBSERVER, ADMIN), (ADMIN, OBSERVER), ("nova:observer", "observer", "admin")])
def test_row_82_the_more_powerful_role_wins(bearer, roles):
    assert bearer(*roles)("POST", "/groups", group_body()).status == 201


@pytest.mark.parametrize(
    "role", ["AUTOSCALE:ADMIN", "autoscale:admins", "xadmin", "admin ", "", "identity:user-manage"]
)
def test_row_82_other_names_count_for_nothing(bearer, role):
    assert bearer(role)("GET", "/groups").refusal == FORBIDDEN


def test_row_82_the_names_of_roles_can_be_chosen(guard, tenant):
    otter, tokens = guard(admin_roles=["boss"], observer_roles=["guest"])
    given = {
        role: Bearer(f"{otter.root}/{tenant}", tokens.issue(tenant, role))
        for role in ("boss", "guest", ADMIN, OBSERVER)
    }
    looked = {role: caller("GET", "/groups").status for role, caller in given.items()}
    made = {role: caller("POST", "/groups", group_body()).status for role, caller in given.items()}
    assert looked == {"boss": 200, "guest": 200, ADMIN: 403, OBSERVER: 403}
    assert made == {"boss": 201, "guest": 403, ADMIN: 403, OBSERVER: 403}


# Row 83: clouds do not see the caller

OTHER_PRODUCTS = ["nova:admin", "nova:creator", "nova:observer", "LBaaS:admin", "LBaaS:creator", "LBaaS:observer"]


@pytest.mark.parametrize("role", OTHER_PRODUCTS)
def test_row_83_roles_on_other_products_do_not_help(bearer, role):
    assert bearer(role)("GET", "/groups").refusal == FORBIDDEN
    assert bearer(role)("POST", "/groups", group_body()).refusal == FORBIDDEN
    assert bearer(role, OBSERVER)("POST", "/groups", group_body()).refusal == FORBIDDEN


def test_row_83_and_are_not_needed(street, tenant, admin):
    cloud = Cloud(street.identity_url, tenant)
    group = admin.create_group(minEntities=1)
    until(lambda: admin.state(group)["activeCapacity"] == 1, 60, saying="the server is there")
    assert len(cloud.servers(group["id"])) == 1
    assert admin("DELETE", link(group) + "?force=true").status == 204
    until(lambda: not cloud.servers(group["id"]), 60, saying="the server is gone")


class Nova(ToyUpstream):
    """Has the one flavor, and no server for long."""

    def answer(self, method, path):
        if "/flavors/" in path:
            return 200, "OK", b'{"flavor": {"id": "2"}}'
        return (200, "OK", b'{"servers": []}') if method == "GET" else (503, "Busy", b"{}")


def test_row_83_no_service_gets_to_see_the_callers_token(street, tokens, tenant, admin):
    nova, identity_url = Nova(), street.identity_url
    tokens.proxy.register(identity_url, [tenant])
    tokens.proxy.forward(f"nova-{urlsplit(identity_url).port}", "nova", nova.url.removesuffix("/v2"))
    admin.create_group(minEntities=1)
    until(lambda: any(method == "POST" for method, *_ in list(nova.seen)), saying="Nova was asked for a server")
    given = {headers["x-auth-token"] for _, _, headers, _ in list(nova.seen)}
    assert given
    assert admin.token not in given
    nova.shutdown()
    nova.server_close()


# What is remembered


def test_identity_is_asked_once_for_many_requests(guard, tenant):
    otter, tokens = guard(cache_ttl=3600)
    caller = Bearer(f"{otter.root}/{tenant}", tokens.issue(tenant, ADMIN))
    for _ in range(10):
        assert caller("GET", "/limits").status == 200
        assert caller("POST", "/groups", b"{").status == 400
    assert tokens.asked(caller.token) == tokens.logins() == 1


def test_requests_that_come_together_share_one_question(guarded, tenant, tokens):
    token = tokens.issue(tenant)
    tokens.says(token, delay(1.0), good(tenant, ADMIN))
    caller = Bearer(f"{guarded.root}/{tenant}", token)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: caller("GET", "/limits").status, range(12)))
    assert answers == [200] * 12
    assert tokens.asked(token) <= 2


def test_a_revoked_token_is_refused_soon(admin, tokens):
    assert admin("GET", "/limits").status == 200
    tokens.revoke(admin.token)
    seen = []
    until(lambda: seen.append(admin("GET", "/limits").status) or seen[-1] == 401, saying="the token is refused")
    assert set(seen) <= {200, 401}


def test_a_role_that_was_taken_away_does_not_help_for_long(admin, tokens, tenant):
    assert admin("POST", "/groups", group_body()).status == 201
    tokens.says(admin.token, good(tenant, OBSERVER))
    until(lambda: admin("POST", "/groups", group_body()).status == 403, saying="only looking is left")
    assert admin("GET", "/groups").status == 200


def test_an_unknown_token_is_remembered_too_but_not_for_long(anonymous, tokens, tenant):
    token = tokens.issue(tenant, ADMIN)
    tokens.revoke(token)
    for _ in range(10):
        assert anonymous("GET", "/limits", x_auth_token=token).refusal == UNAUTHORIZED
    assert tokens.asked(token) < 10
    tokens.says(token, good(tenant, ADMIN))
    until(lambda: anonymous("GET", "/limits", x_auth_token=token).status == 200, saying="the token is known")


# Identity has a bad day

ROLES = [{"name": ADMIN}]
SOON = {"id": "x", "expires": "2999-01-01T00:00:00Z"}
NONSENSE = [
    "{}",
    "[]",
    "null",
    "5",
    "not json",
    json.dumps({"access": {}}),
    json.dumps({"access": {"token": SOON}}),
    json.dumps({"access": {"token": SOON, "user": {}}}),
    json.dumps({"access": {"token": SOON, "user": {"roles": "autoscale:admin"}}}),
    json.dumps({"access": {"token": SOON, "user": {"roles": [ADMIN]}}}),
    json.dumps({"access": {"token": SOON | {"tenant": "t"}, "user": {"roles": ROLES}}}),
    json.dumps({"access": {"token": SOON | {"tenant": {"id": 5}}, "user": {"roles": ROLES}}}),
    json.dumps({"access": {"token": SOON | {"expires": "soon"}, "user": {"roles": ROLES}}}),
    json.dumps({"access": {"token": {"id": "x"}, "user": {"roles": ROLES}}}),
]


def bad_days(token):
    echo = {"error": {"code": 500, "message": f"no idea about {token}"}}
    return [
        *[status(code, echo) for code in (400, 403, 405, 409, 413, 429, 500, 502, 503)],
        status(429, {}, {"retry-after": "3600"}),
        status(204),
        status(302, None, {"location": "http://127.0.0.1:9/"}),
        *[html(code) for code in (200, 401, 404, 502)],
        drop(),
        cut(),
        *map(garbage, NONSENSE),
    ]


def test_a_bad_day_of_identity_is_a_503_and_nobodys_token_is_told(guarded, anonymous, tokens, tenant):
    """All at once, because each of them is asked for again for some seconds."""

    def answered(fault):
        token = tokens.issue(tenant, ADMIN)
        fault = json.loads(json.dumps(fault).replace("TOKEN", token))
        tokens.says(token, fault)
        return fault, token, anonymous("GET", "/groups", x_auth_token=token)

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(answered, bad_days("TOKEN")))
    log = guarded.log.read_text()
    assert "token-not-checked" in log
    for fault, token, answer in answers:
        assert answer.refusal == (503, "UpstreamUnavailable"), fault
        assert answer.headers["retry-after"] == "5"
        assert token.encode() not in answer.body, fault
        assert token not in log, fault


def test_a_hiccup_of_identity_is_not_noticed(admin, tenant, tokens):
    tokens.says(admin.token, status(500), good(tenant, ADMIN), first=1)
    assert admin("GET", "/limits").status == 200
    assert tokens.asked(admin.token) == 2


def test_an_identity_that_is_not_there_is_a_503_and_a_remembered_token_still_good(guard, tenant):
    otter, tokens = guard(cache_ttl=3600)
    known = Bearer(f"{otter.root}/{tenant}", tokens.issue(tenant, ADMIN))
    [up] = known.create_group(policy())["scalingPolicies"]
    [hook] = known.create(link(up) + "webhooks", WEBHOOK)
    tokens.proxy.stop()
    unknown = Bearer(known.root, "issued-later")
    assert unknown("GET", "/limits").refusal == (503, "UpstreamUnavailable")
    assert known("GET", "/limits").status == 200
    assert unknown("POST", link(hook, "capability")).status == 202
    assert "issued-later" not in otter.log.read_text()


def test_when_otters_own_token_is_refused_it_gets_another_one(admin, tenant, tokens):
    assert admin("GET", "/limits").status == 200
    other = tokens.issue(tenant)
    tokens.says(other, status(401, {"unauthorized": {"code": 401}}), good(tenant, ADMIN), first=1)
    before = tokens.logins()
    assert Bearer(admin.root, other)("GET", "/limits").status == 200
    assert tokens.logins() == before + 1


def test_an_identity_that_says_401_of_unknown_tokens_is_understood(guard, tenant):
    """And otter does not log in again for each of them."""
    otter, tokens = guard()
    for _ in range(10):
        token = tokens.issue(tenant, ADMIN)
        tokens.says(token, status(401, {"unauthorized": {"code": 401}}))
        assert Bearer(f"{otter.root}/{tenant}", token)("GET", "/limits").refusal == UNAUTHORIZED
    assert tokens.logins() < 5


def test_when_otters_own_account_is_refused_nobody_else_is_told_so(guard, tenant):
    otter, tokens = guard()
    tokens.proxy.add(status(401, {"unauthorized": {"code": 401}}), service="identity", operation="login")
    caller = Bearer(f"{otter.root}/{tenant}", tokens.issue(tenant, ADMIN))
    assert caller("GET", "/limits").refusal == (503, "UpstreamUnavailable")


# Nothing is left behind


def test_no_token_gets_into_a_file(guarded, admin, anonymous, family, tokens, tenant):
    given = [
        admin.token,
        tokens.issue(tenant, OBSERVER),
        tokens.issue("somebody-else", ADMIN),
        tokens.issue(tenant, ADMIN, seconds=-1),
        "nobodys-token-at-all",
    ]
    for token in given:
        for method, path in [("GET", "/groups"), ("POST", "/groups"), ("GET", "/none"), ("PATCH", "/limits")]:
            assert token.encode() not in anonymous(method, path, x_auth_token=token).body
    last = anonymous("GET", "/limits").headers["x-response-id"]
    until(lambda: last in guarded.log.read_text(), saying="the log is written")
    for file in guarded.store.parent.iterdir():
        kept = file.read_bytes()
        assert [token for token in given if token.encode() in kept] == [], file


def test_a_caller_who_does_not_wait_for_identity_disturbs_nobody(guarded, admin, tokens, tenant):
    token = tokens.issue(tenant)
    tokens.says(token, delay(1.0), good(tenant, ADMIN))
    body = json.dumps(group_body()).encode()
    head = f"POST /v1.0/{tenant}/groups HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\nContent-Length: {len(body)}"
    with socket.create_connection(("127.0.0.1", guarded.port)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        until(lambda: tokens.asked(token), saying="Identity was asked")
    assert Bearer(admin.root, token)("GET", "/groups").document["groups"] == []
    assert '"critical"' not in guarded.log.read_text()


def test_garbage_does_not_push_out_the_tokens_that_are_good(guard, tenant):
    """Here for a few hundred; what is remembered of unknown tokens is bounded and kept apart."""
    otter, tokens = guard(cache_ttl=3600)
    caller = Bearer(f"{otter.root}/{tenant}", tokens.issue(tenant, ADMIN))
    assert caller("GET", "/limits").status == 200
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: Bearer(caller.root, f"garbage-{n}")("GET", "/limits").status, range(300)))
    assert set(answers) == {401}
    assert caller("GET", "/limits").status == 200
    assert tokens.asked(caller.token) == 1
