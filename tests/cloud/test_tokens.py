from attrs import define, field
from pyrsistent import pset
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.cloud.errors import ApiError, CloudError, NotSent, Unreachable
from otter.cloud.identity import OwnToken
from otter.cloud.tokens import LONGEST_CHECK, MOST, NOT_OURS, UNKNOWN_FOR, Tokens
from otter.domain.access import Caller
from tests.cloud.test_identity import ACCOUNT, ToyIdentity

SOMEBODY = Caller("111", pset(["admin"]))
REFUSED, NO_SUCH = ApiError(401, '{"unauthorized": {}}'), ApiError(404, '{"itemNotFound": {}}')


def document(expires="2001-01-01T00:00:00Z", tenant="111", roles=("admin",)):
    token = {"id": "t", "expires": expires, "tenant": {"id": tenant, "name": "x"}}
    return {"access": {"token": token, "user": {"roles": [{"name": role} for role in roles]}}}


@define
class ToyRegistry(ToyIdentity):
    """Knows tokens, too. :ivar says: what is answered about each, one after the other; the last word stays."""

    says: dict = field(factory=dict)

    async def exchange(self, method, url, success, headers, **what):
        answer = await ToyIdentity.exchange(self, method, url, success, headers, **what)
        if method != "GET":
            return answer
        words = self.says.get(url.rpartition("/")[2], [NO_SUCH])
        word = words.pop(0) if len(words) > 1 else words[0]
        if isinstance(word, Deferred):
            word = await word
        if isinstance(word, Exception):
            raise word
        return word

    def asked(self, token):
        return self.requests.count(("GET", f"http://admin/v2.0/tokens/{token}"))


class TokensTests(SynchronousTestCase):
    def setUp(self):
        self.clock, self.http = Clock(), ToyRegistry()
        self.own = OwnToken(self.http, ACCOUNT)
        self.tokens = Tokens(self.own, self.clock, cache_ttl=60.0, random=lambda: 0.5)

    def caller(self, token="t"):
        return ensureDeferred(self.tokens.caller(token))

    def found(self, token="t"):
        return self.successResultOf(self.caller(token))

    def test_identity_says_whose_a_token_is(self):
        self.http.says["t"] = [document()]
        self.assertEqual(self.found(), SOMEBODY)
        self.assertEqual(
            self.http.requests, [("POST", "http://identity/v2.0/tokens"), ("GET", "http://admin/v2.0/tokens/t")]
        )

    def test_its_word_is_taken_for_some_time(self):
        self.http.says["t"] = [document()]
        self.found()
        self.clock.advance(59.9)
        self.found()
        self.assertEqual(self.http.asked("t"), 1)
        self.http.says["t"] = [NO_SUCH]
        self.clock.advance(0.1)
        self.assertIsNone(self.found())

    def test_but_not_for_longer_than_the_token_lives(self):
        self.http.says["t"] = [document(expires="1970-01-01T00:00:10Z")]
        self.clock.advance(9.9)
        self.assertEqual(self.found(), SOMEBODY)
        self.clock.advance(0.1)
        self.assertIsNone(self.found())

    def test_nor_after_the_clock_was_put_back(self):
        self.clock.advance(1000.0)
        self.http.says["t"] = [document(), NO_SUCH]
        self.assertEqual(self.found(), SOMEBODY)
        self.clock.rightNow = 500.0
        self.assertIsNone(self.found())

    def test_a_token_that_nobody_has_is_remembered_for_a_moment(self):
        self.assertIsNone(self.found())
        self.assertIsNone(self.found())
        self.assertEqual(self.http.asked("t"), 1)
        self.http.says["t"] = [document()]
        self.clock.advance(UNKNOWN_FOR)
        self.assertEqual(self.found(), SOMEBODY)

    def test_who_asks_at_the_same_time_shares_one_question(self):
        answer = Deferred()
        self.http.says["t"] = [answer]
        asking = [self.caller() for _ in range(3)]
        asking.append(self.caller("other"))
        answer.callback(document())
        self.assertEqual([self.successResultOf(each) for each in asking], [SOMEBODY] * 3 + [None])
        self.assertEqual(self.http.asked("t"), 1)

    def test_who_asks_at_the_same_time_shares_the_login_too(self):
        logging_in = Deferred()

        class Slow(ToyRegistry):
            async def exchange(self, method, url, success, headers, **what):
                if method == "POST":
                    await logging_in
                return await ToyRegistry.exchange(self, method, url, success, headers, **what)

        http = Slow()
        tokens = Tokens(OwnToken(http, ACCOUNT), self.clock)
        asking = [ensureDeferred(tokens.caller(f"t{number}")) for number in range(5)]
        logging_in.callback(None)
        self.assertEqual([self.successResultOf(each) for each in asking], [None] * 5)
        self.assertEqual(http.logins, 1)

    def test_who_gives_up_does_not_end_it_for_the_others(self):
        answer = Deferred()
        self.http.says["t"] = [answer]
        first, second = self.caller(), self.caller()
        first.addErrback(lambda _: None)
        first.cancel()
        answer.callback(document())
        self.assertEqual(self.successResultOf(second), SOMEBODY)

    def test_a_refusal_of_our_own_token_is_not_one_of_the_callers(self):
        self.http.says["t"] = [document()]
        self.found("another")
        self.http.stale = {"own1"}
        self.assertEqual(self.found(), SOMEBODY)
        self.assertEqual(self.http.logins, 2)

    def test_what_is_refused_with_a_new_token_of_ours_too_is_unknown(self):
        self.found("another")
        self.http.says["t"] = [REFUSED]
        self.assertIsNone(self.found())
        self.assertEqual((self.http.asked("t"), self.http.logins), (2, 2))

    def test_our_own_token_is_not_renewed_for_each_of_many_unknown_ones(self):
        for number in range(10):
            self.http.says[f"t{number}"] = [REFUSED]
            self.assertIsNone(self.found(f"t{number}"))
        self.assertEqual(self.http.logins, 1)
        self.clock.advance(NOT_OURS)
        self.http.stale = {"own1"}
        self.http.says["t"] = [document()]
        self.assertEqual(self.found(), SOMEBODY)

    def test_what_may_pass_is_tried_again(self):
        self.http.says["t"] = [ApiError(500, ""), Unreachable("cut"), {"nonsense": 1}, document()]
        asking = self.caller()
        for pause in (0.5, 2.0, 5.0):
            self.assertNoResult(asking)
            self.clock.advance(pause)
        self.assertEqual(self.successResultOf(asking), SOMEBODY)

    def test_what_lasts_is_an_error_and_is_not_remembered(self):
        self.http.says["t"] = [ApiError(503, "")]
        asking = self.caller()
        self.clock.pump([0.5, 2.0, 5.0])
        self.failureResultOf(asking, ApiError)
        self.http.says["t"] = [document()]
        self.assertEqual(self.found(), SOMEBODY)

    def test_who_wants_to_be_left_alone_for_long_is_not_asked_again(self):
        self.http.says["t"] = [ApiError(429, "", retry_after=60.0)]
        self.failureResultOf(self.caller(), ApiError)
        self.assertEqual(self.http.asked("t"), 1)

    def test_a_definite_no_to_our_question_is_an_error_at_once(self):
        self.http.says["t"] = [ApiError(403, '{"forbidden": {}}')]
        self.failureResultOf(self.caller(), ApiError)

    def test_a_page_decides_nothing(self):
        self.http.says["t"] = [ApiError(404, "<h1>Not Found</h1>")]
        self.failureResultOf(self.caller(), ApiError)

    def test_it_comes_to_an_end(self):
        self.http.says["t"] = [Deferred()]
        asking = self.caller()
        self.clock.advance(LONGEST_CHECK)
        self.failureResultOf(asking, NotSent)

    def test_an_account_that_may_not_log_in_is_no_unknown_token(self):
        async def refuse(*_, **__):
            raise REFUSED

        self.tokens.own = OwnToken(type("Http", (), {"exchange": refuse})(), ACCOUNT)
        asking = self.caller()
        self.clock.pump([0.5, 2.0, 5.0])
        self.failureResultOf(asking, CloudError)

    def test_what_can_be_no_token_is_not_asked_about(self):
        for token in ("", ".", "..", "a/b", "../x", "a b", "caf\xe9", "a%2Fb", "a?b", "a#b", "a\n", "a" * 8193):
            self.assertIsNone(self.found(token))
        self.assertEqual(self.http.requests, [])

    def test_tokens_of_all_usual_kinds_are_asked_about(self):
        for token in ("0123abcdef" * 4, "gAAAAAB_-x==", "PKIZ_eJx+Y-x=", "a.b-c_d~e", "MII" * 2000):
            self.found(token)
        self.assertEqual(len(self.http.requests), 6)

    def test_the_oldest_are_forgotten_and_garbage_pushes_out_only_garbage(self):
        self.http.says["t"] = [document()]
        self.found()
        for number in range(MOST + 1):
            self.found(f"t{number}")
        self.found()
        self.found(f"t{MOST}")
        self.assertEqual((self.http.asked("t"), self.http.asked(f"t{MOST}")), (1, 1))
        self.found("t0")
        self.assertEqual(self.http.asked("t0"), 2)

    def test_no_token_is_kept(self):
        self.http.says["precious"] = [document()]
        self.found("precious")
        self.found("worthless")
        kept = [*self.tokens._known._verdicts.items(), *self.tokens._unknown._verdicts.items()]
        self.assertEqual(len(kept), 2)
        self.assertNotIn("precious", repr(kept))
        self.assertNotIn("worthless", repr(kept))
        self.assertNotIn("own1", repr(self.tokens))
        self.assertNotIn("secret", repr(self.tokens))
