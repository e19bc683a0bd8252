from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.cloud.errors import ApiError, NotSent
from otter.cloud.identity import Account, Identity, Impersonation, SingleTenant, by_service

ENDPOINT = {"region": "ORD", "publicURL": "http://nova/v2/"}
NOVA = {"name": "nova", **ENDPOINT}
ACCOUNT = Account("http://identity/v2.0", "http://admin/v2.0", "otter", "secret")


@define
class ToyIdentity:
    """Keystone, as far as logins go; use it where an ``Http`` is wanted."""

    requests: list = field(factory=list)
    stale: set = field(factory=set)
    logins: int = 0

    async def exchange(self, method, url, success, headers, **what):
        self.requests.append((method, url))
        if headers.get("x-auth-token") in self.stale:
            raise ApiError(401, "")
        match url.rpartition("/")[2]:
            case "tokens":
                self.logins += 1
                catalog = [{"name": "nova", "endpoints": [ENDPOINT]}]
                return {"access": {"token": {"id": f"own{self.logins}"}, "serviceCatalog": catalog}}
            case "impersonation-tokens":
                return {"access": {"token": {"id": f"as-{what['json']['RAX-AUTH:impersonation']['user']['username']}"}}}
            case "endpoints":
                return {"endpoints": [NOVA]}
            case tenant:
                return {"user": {"id": f"admin-of-{tenant}"}}


class LoginTests(SynchronousTestCase):
    def setUp(self):
        self.http = ToyIdentity()

    def log_in(self, login):
        return self.successResultOf(ensureDeferred(login("111")))

    def test_a_tenants_administrator_is_impersonated(self):
        self.assertEqual(self.log_in(Impersonation(self.http, ACCOUNT)), ("as-admin-of-111", [NOVA]))
        self.assertEqual(
            self.http.requests,
            [
                ("GET", "http://admin/v1.1/mosso/111"),
                ("POST", "http://identity/v2.0/tokens"),
                ("POST", "http://admin/v2.0/RAX-AUTH/impersonation-tokens"),
                ("GET", "http://admin/v2.0/tokens/as-admin-of-111/endpoints"),
            ],
        )

    def test_our_own_token_is_kept_until_it_is_refused(self):
        login = Impersonation(self.http, ACCOUNT)
        self.log_in(login)
        self.log_in(login)
        self.assertEqual(self.http.logins, 1)
        self.http.stale = {"own1"}
        self.log_in(login)
        self.assertEqual(self.http.logins, 2)

    def test_a_service_account_may_log_in_to_the_tenant_itself(self):
        self.assertEqual(self.log_in(SingleTenant(self.http, ACCOUNT)), ("own1", [NOVA]))

    def test_the_password_is_in_no_text_about_the_account(self):
        self.assertNotIn("secret", repr(ACCOUNT) + repr(Impersonation(self.http, ACCOUNT)))


class IdentityTests(SynchronousTestCase):
    def setUp(self):
        self.clock, self.answers = Clock(), []
        self.identity = Identity(self.log_in, self.clock, cache_ttl=300.0)

    async def log_in(self, tenant):
        answer = Deferred()
        self.answers.append(answer)
        return await answer

    def access(self):
        return ensureDeferred(self.identity.access("111"))

    def answer(self, what=("t1", [NOVA])):
        answer = self.answers[-1]
        answer.errback(what) if isinstance(what, Exception) else answer.callback(what)

    def test_callers_who_come_together_share_one_login(self):
        both = [self.access(), self.access()]
        self.answer()
        self.assertIs(*map(self.successResultOf, both))
        self.assertEqual(len(self.answers), 1)

    def test_a_token_is_kept_for_its_time(self):
        self.access()
        self.answer()
        self.clock.advance(299.0)
        self.assertEqual(self.successResultOf(self.access()).token, "t1")
        self.clock.advance(1.0)
        self.assertNoResult(self.access())

    def test_a_late_refusal_does_not_throw_away_a_newer_token(self):
        first = self.access()
        self.answer()
        old = self.successResultOf(first)
        self.identity.forget("111", old)
        second = self.access()
        self.answer(("t2", [NOVA]))
        self.identity.forget("111", old)
        self.assertIs(self.successResultOf(self.access()), self.successResultOf(second))

    def test_a_hiccup_is_not_noticed(self):
        getting = self.access()
        self.answer(ApiError(500, "oops"))
        self.clock.advance(1.0)
        self.answer(ApiError(401, "who?"))
        self.clock.advance(1.0)
        self.answer()
        self.assertEqual(self.successResultOf(getting).token, "t1")

    def test_what_lasts_is_an_error_that_says_that_nothing_was_sent(self):
        getting = self.access()
        for _ in range(3):
            self.answer(("t1", [{"nonsense": 1}]))
            self.clock.advance(1.0)
        error = self.failureResultOf(getting, NotSent).value
        self.assertFalse(error.sent)
        self.assertIn("tenant 111", error.user_message)


def test_the_first_of_several_endpoints_wins():
    other = {**NOVA, "publicURL": "http://other"}
    assert by_service([NOVA, other]) == {("nova", "ORD"): "http://nova/v2"}
