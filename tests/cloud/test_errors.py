import json

import pytest

from otter.cloud.errors import LONGEST_QUOTE, ApiError, Hopeless, NoSuchEndpoint, NotSent, Unreachable, classified

FINAL = [400, 402, 403, 405, 406, 411, 412, 414, 415, 416, 417, 418, 424, 426, 428, 431, 451, 499]
PASSING = [401, 404, 407, 408, 409, 410, 413, 422, 423, 425, 429]
OTHERS = [100, 204, 206, 301, 302, 304, 500, 501, 502, 503, 504, 599]
PAGE = "\n <html><h1>No</h1></html>"


@pytest.mark.parametrize("status", FINAL)
def test_most_refusals_are_final_unless_they_are_a_page(status):
    assert ApiError(status, '{"message": "no"}').terminal
    assert ApiError(status, "no").terminal
    assert ApiError(status, "").terminal
    assert not ApiError(status, PAGE).terminal


@pytest.mark.parametrize("status", PASSING + OTHERS)
def test_some_refusals_and_all_other_answers_may_be_another_matter_in_a_moment(status):
    assert not ApiError(status, '{"message": "no"}').terminal


def test_what_is_not_an_answer_may_be_another_matter_in_a_moment_too():
    assert not Unreachable("no answer").terminal
    assert not NotSent("no connection").terminal
    assert NoSuchEndpoint("nova").terminal


def test_only_what_cannot_have_been_obeyed_was_not_sent():
    assert [error.sent for error in (ApiError(400, ""), Unreachable(""), Hopeless(""))] == [True] * 3
    assert [error.sent for error in (NotSent(""), NoSuchEndpoint("nova"))] == [False] * 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"message": "no", "code": 400}', "no"),
        ('{"badRequest": {"message": "no", "code": 400}}', "no"),
        ('{"message": ["a", "b"]}', "['a', 'b']"),
        ("no", "no"),
        ("", ""),
        ("{}", "{}"),
        ("[]", "[]"),
        ("5", "5"),
        ('{"badRequest": "no"}', '{"badRequest": "no"}'),
        ('{"badRequest": {}}', '{"badRequest": {}}'),
    ],
)
def test_a_service_is_quoted_in_its_own_words(body, message):
    assert ApiError(400, body).message == message


def test_a_sentence_says_what_failed_and_is_not_endless():
    error = ApiError(400, json.dumps({"message": "x" * 1000}), failed="Nova could not delete a server")
    assert error.user_message.startswith("Nova could not delete a server; the answer was 400: xxx")
    assert len(error.user_message) < LONGEST_QUOTE + 60
    assert ApiError(500, "").user_message == "The request failed; the answer was 500"


def test_the_first_rule_that_fits_decides_and_what_fits_none_stays_as_it_is():
    class First(Hopeless):
        pass

    class Second(Hopeless):
        pass

    classify = classified([({400}, "no (server|net)", First), ({400, 404}, "no", Second)])
    for status, message, kind in ((400, "No Server", First), (400, "no", Second), (404, "no server", Second)):
        with pytest.raises(kind) as caught:
            classify(ApiError(status, json.dumps({"message": message})))
        assert caught.value.user_message == message
    for error in (ApiError(403, "no"), ApiError(400, "well, no"), Unreachable("no")):
        with pytest.raises(type(error)) as caught:
            classify(error)
        assert caught.value is error
