"""The simulated Identity: tokens that end, and catalogs that lack something."""

from random import Random
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from attrs import frozen
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from otter.cloud import identity as asking
from otter.cloud.errors import ApiError, NotSent
from tests.sim.world.answers import Answer, Ask, Nature
from tests.sim.world.identity import Identity

LOGIN = {"auth": {"passwordCredentials": {"username": "svc-scaler", "password": "s3cret"}}}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def identity(clock):
    endpoints = {"cloudServersOpenStack": "http://cloud/nova", "cloudLoadBalancers": "http://cloud/clb/"}
    return Identity(Nature(clock.seconds, clock.callLater, Random(1)), endpoints)


@frozen
class Wire:
    """otter's ``Http``, with nothing between it and Identity."""

    identity: Identity

    async def exchange(self, method: str, url: str, success: tuple[int, ...], headers: dict, json: Any = None) -> Any:
        path = unquote(urlsplit(url).path).removeprefix("/identity/")
        answer = self.identity.answer(Ask("", method, path, json=json), headers.get("x-auth-token"))
        if answer.status not in success:
            raise ApiError(answer.status, "")
        return answer.document


def otters(identity: Identity, clock: Clock) -> asking.Identity:
    account = asking.Account("http://cloud/identity/v2.0", "http://cloud/identity/v2.0", "svc-scaler", "s3cret")
    return asking.Identity(asking.Impersonation(Wire(identity), account), clock, 300)


def result_of(waiting: Deferred) -> Any:
    """What it has come to, by now; its error, if that is what it came to."""
    results: list = []
    waiting.addBoth(results.append)
    return results[0].value if isinstance(results[0], Failure) else results[0]


def log_in(identity: Identity, **more: str) -> Answer:
    return identity.answer(Ask("", "POST", "v2.0/tokens", json={"auth": {**LOGIN["auth"], **more}}))


def own_token(identity: Identity) -> str:
    return log_in(identity).document["access"]["token"]["id"]


def impersonate(identity: Identity, tenant: str, own: str | None = None, seconds: int = 10800) -> Answer:
    """What the last of two requests is answered."""
    user = identity.answer(Ask("", "GET", f"v1.1/mosso/{tenant}"))
    assert user.status == 301
    wanted = {"user": {"username": user.document["user"]["id"]}, "expire-in-seconds": seconds}
    ask = Ask("", "POST", "v2.0/RAX-AUTH/impersonation-tokens", json={"RAX-AUTH:impersonation": wanted})
    return identity.answer(ask, own)


def token_for(identity: Identity, tenant: str) -> str:
    return impersonate(identity, tenant, own_token(identity)).document["access"]["token"]["id"]


def endpoints(identity: Identity, token: str, own: str | None = None) -> Answer:
    return identity.answer(Ask("", "GET", f"v2.0/tokens/{token}/endpoints"), own)


def names(identity: Identity, tenant: str) -> list[str]:
    return [entry["name"] for entry in endpoints(identity, token_for(identity, tenant)).document["endpoints"]]


def test_the_four_requests_lead_to_a_token_and_to_where_the_services_are(identity):
    own = own_token(identity)
    token = impersonate(identity, "111", own).document["access"]["token"]["id"]
    found = endpoints(identity, token, own).document["endpoints"]
    assert [(entry["name"], entry["region"], entry["publicURL"]) for entry in found] == [
        ("cloudServersOpenStack", "ORD", "http://cloud/nova/111"),
        ("cloudLoadBalancers", "ORD", "http://cloud/clb/111"),
    ]


def test_otter_gets_in_and_gets_in_again_when_all_tokens_were_revoked(identity, clock):
    otter = otters(identity, clock)
    first = result_of(ensureDeferred(otter.access("111")))
    assert first.endpoint("cloudServersOpenStack", "ORD") == "http://cloud/nova/111"
    assert identity.is_good(first.token, "111")
    identity.revoke("111")
    identity.revoke_own()
    otter.forget("111", first)
    second = result_of(ensureDeferred(otter.access("111")))
    assert (identity.is_good(first.token, "111"), identity.is_good(second.token, "111")) == (False, True)


def test_otter_gets_in_as_soon_as_identity_is_up_again_and_not_before(identity, clock):
    identity.down = 503
    otter = otters(identity, clock)
    refused = ensureDeferred(otter.access("111"))
    clock.pump([0.25, 1])
    assert isinstance(result_of(refused), NotSent)
    waiting = ensureDeferred(otter.access("111"))
    identity.down = 0
    clock.advance(0.25)
    assert identity.is_good(result_of(waiting).token, "111")


def test_a_token_is_good_for_its_own_tenant_only(identity):
    token = token_for(identity, "111")
    assert identity.is_good(token, "111")
    assert not identity.is_good(token, "222")
    assert not identity.is_good("token-99-111", "111")


def test_a_token_ends_when_its_life_is_over_or_when_it_was_asked_to(identity, clock):
    identity.token_life = 100
    own = own_token(identity)
    long, short = (
        impersonate(identity, "111", own, seconds).document["access"]["token"]["id"] for seconds in (10800, 50)
    )
    clock.advance(50)
    assert (identity.is_good(long, "111"), identity.is_good(short, "111")) == (True, False)
    clock.advance(50)
    assert not identity.is_good(long, "111")
    assert impersonate(identity, "111", own).status == 401


def test_a_tenants_tokens_are_revoked_and_nobody_elses(identity):
    revoked, kept = token_for(identity, "111"), token_for(identity, "222")
    identity.revoke("111")
    assert not identity.is_good(revoked, "111")
    assert identity.is_good(kept, "222")
    assert identity.is_good(token_for(identity, "111"), "111")
    assert endpoints(identity, revoked).status == 404


def test_without_otters_own_token_nobody_is_impersonated(identity):
    own, tenants = own_token(identity), token_for(identity, "111")
    identity.revoke_own()
    assert impersonate(identity, "111", own).status == endpoints(identity, tenants, own).status == 401
    assert impersonate(identity, "111").status == 401
    newer = own_token(identity)
    assert impersonate(identity, "111", newer).status == impersonate(identity, "111").status == 200
    assert impersonate(identity, "111", own).status == 401
    assert impersonate(identity, "111", tenants).status == 401


@pytest.mark.parametrize("status", [500, 503])
def test_while_it_is_down_it_answers_nothing_but_that(identity, status):
    token = token_for(identity, "111")
    identity.down = status
    assert log_in(identity).status == endpoints(identity, token).status == status
    assert identity.answer(Ask("", "GET", "v1.1/mosso/111")).status == status
    assert identity.is_good(token, "111")
    identity.down = 0
    assert log_in(identity).status == 200


def test_a_catalog_lacks_a_service_for_a_while(identity, clock):
    identity.leave_out("111", "cloudLoadBalancers", 60)
    assert names(identity, "111") == ["cloudServersOpenStack"]
    assert names(identity, "222") == ["cloudServersOpenStack", "cloudLoadBalancers"]
    clock.advance(60)
    assert names(identity, "111") == ["cloudServersOpenStack", "cloudLoadBalancers"]


def test_an_account_that_is_in_a_tenant_gets_the_catalog_with_its_token(identity):
    access = log_in(identity, tenantId="111").document["access"]
    assert identity.is_good(access["token"]["id"], "111")
    assert [entry["endpoints"][0]["publicURL"] for entry in access["serviceCatalog"]] == [
        "http://cloud/nova/111",
        "http://cloud/clb/111",
    ]


def test_what_makes_no_sense_is_refused(identity):
    own = own_token(identity)
    assert identity.answer(Ask("", "POST", "v2.0/tokens", json={})).status == 400
    assert identity.answer(Ask("", "POST", "v2.0/RAX-AUTH/impersonation-tokens", json=[]), own).status == 400
    assert endpoints(identity, "token-99-111", own).status == 404
    assert identity.answer(Ask("", "GET", "v2.0/users"), own).status == 404
