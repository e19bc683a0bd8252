"""Changing only what was read: ``ETag`` and ``If-Match``. (docs/api.md, "Changing what was read".)"""

import re

import pytest

from tests.walks.api import link
from tests.walks.documents import config, launch, policy

FAILED = (412, "PreconditionFailed")
THINGS = {
    "config": (config(name="new"), config(name="newer")),
    "launch": (launch(name="new"), launch(name="newer")),
    "policy": (policy(change=2), policy(change=3)),
}


@pytest.fixture(params=THINGS)
def thing(api, request):
    """A URL with a document, and two others that can be put there."""
    group = api.create_group(policy())
    urls = {"policy": link(group["scalingPolicies"][0])}
    return urls.get(request.param, link(group) + request.param), *THINGS[request.param]


def tag(api, url):
    answer = api("GET", url)
    assert answer.status == 200
    return answer.headers["etag"]


def test_a_tag_is_strong_and_changes_with_the_document_and_back(api, thing):
    url, one, other = thing
    tags = []
    for document in (one, other, one):
        answer = api("PUT", url, document)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["etag"] == tag(api, url) == api("HEAD", url).headers["etag"]
        tags.append(answer.headers["etag"])
    assert all(re.fullmatch('"[0-9a-f]{32}"', each) for each in tags)
    assert tags[0] == tags[2] != tags[1]


def test_equal_documents_have_equal_tags_in_whatever_order_they_are_written(api, thing):
    url, one, _ = thing
    api("PUT", url, one)
    before = tag(api, url)
    assert api("PUT", url, dict(reversed(one.items()))).headers["etag"] == before


def test_what_was_read_can_be_changed_once(api, thing):
    url, one, other = thing
    read = tag(api, url)
    answer = api("PUT", url, one, if_match=read)
    assert (answer.status, answer.headers["etag"]) == (204, tag(api, url))
    before = api("GET", url).document
    assert api("PUT", url, other, if_match=read).refusal == FAILED
    assert api("GET", url).document == before
    assert api("PUT", url, other).status == 204


@pytest.mark.parametrize("form", ["{}", '"x", {}', '"x",{},W/"y"', "{},", ' "a,b" , {} ', "*", " * "])
def test_one_matching_tag_is_enough(api, thing, form):
    url, one, _ = thing
    assert api("PUT", url, one, if_match=form.format(tag(api, url))).status == 204


@pytest.mark.parametrize("form", ["W/{}", "w/{}", '"x"', "", ",", "x", '"{}"', '"*"', '"*", W/{}', "\u00e9"])
def test_weak_tags_other_tags_and_nonsense_match_nothing(api, thing, form):
    url, one, _ = thing
    read = tag(api, url)
    assert api("PUT", url, one, if_match=form.format(read)).refusal == FAILED
    assert api("PUT", url, one, if_match=read.strip('"')).refusal == FAILED
    assert tag(api, url) == read


def test_a_failed_precondition_has_nothing_looked_at(api, group):
    before = api.state(group)["generation"]
    assert api("PUT", link(group) + "config", config(minEntities=3), if_match='"x"').refusal == FAILED
    assert api("PUT", link(group) + "launch", launch(name="x"), if_match='"x"').refusal == FAILED
    state = api.state(group)
    assert (state["generation"], state["desiredCapacity"]) == (before, 0)


def test_a_policy_is_deleted_only_if_it_is_the_one_that_was_read(api, group):
    [up] = api.create(link(group) + "policies", policy())
    read = tag(api, link(up))
    assert api("PUT", link(up), policy(name="other")).status == 204
    assert api("DELETE", link(up), if_match=read).refusal == FAILED
    assert api("DELETE", link(up), if_match=tag(api, link(up))).status == 204
    assert api("DELETE", link(up), if_match="*").refusal == (404, "NoSuchPolicyError")


def test_policies_that_are_alike_have_the_same_tag(api, group):
    one, other = api.create(link(group) + "policies", policy(), policy())
    assert tag(api, link(one)) == tag(api, link(other))


def test_a_bad_body_is_told_before_a_failed_precondition(api, group):
    assert api("PUT", link(group) + "config", {}, if_match='"x"').refusal == (400, "ValidationError")
    assert api("PUT", "/groups/none/config", config(), if_match='"x"').refusal == (404, "NoSuchScalingGroupError")
