"""What every answer has, whatever it is about. (Contract, 3.5.)"""

from uuid import UUID

import pytest

from tests.walks.api import link
from tests.walks.documents import config, group_body, launch, policy


@pytest.fixture
def walk(api):
    """One request of every kind, as (answer, expected status)."""
    group = api.create_group(policy())
    [up] = group["scalingPolicies"]
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    here = link(group)
    return [
        (api("POST", "/groups", group_body()), 201),
        (api("GET", "/groups"), 200),
        (api("GET", here), 200),
        (api("GET", here + "state"), 200),
        (api("PUT", here + "config", config()), 204),
        (api("PUT", here + "launch", launch()), 204),
        (api("POST", here + "policies", [policy()]), 201),
        (api("PUT", link(up), policy()), 204),
        (api("PUT", link(hook), {"name": "hook", "metadata": {}}), 204),
        (api("POST", link(up) + "execute"), 202),
        (api("POST", link(hook, "capability")), 202),
        (api("POST", here + "converge"), 204),
        (api("POST", here + "pause"), 204),
        (api("POST", here + "resume"), 204),
        (api("GET", "/limits"), 200),
        (api("DELETE", link(hook)), 204),
        (api("DELETE", link(up)), 204),
        (api("DELETE", here + "?force=true"), 204),
        (api("GET", here), 404),
        (api("POST", "/groups", b"{"), 400),
    ]


def test_row_1_content_type_is_json_without_charset_even_where_there_is_no_body(walk):
    assert [answer.status for answer, _ in walk] == [status for _, status in walk]
    assert {answer.headers["content-type"] for answer, _ in walk} == {"application/json"}


def test_row_2_server_date_and_response_id_are_always_there(walk):
    assert all(answer.headers["server"] and answer.headers["date"] for answer, _ in walk)
    ids = [UUID(answer.headers["x-response-id"]) for answer, _ in walk]
    assert all(each.version == 4 for each in ids)
    assert len(set(ids)) == len(ids)


def test_row_3_a_transfer_encoding_is_chunked(walk):
    assert {answer.headers["transfer-encoding"] for answer, _ in walk} <= {None, "chunked"}


def test_answers_without_a_document_have_no_body(walk):
    bodies = {answer.body for answer, status in walk if status in (202, 204)}
    assert bodies == {b"", b"{}"}
    assert {answer.body for answer, status in walk if status == 204} == {b""}


def test_only_what_was_made_has_a_location(walk):
    assert all(("location" in answer.headers) == (status == 201) for answer, status in walk)


@pytest.mark.parametrize("path", ["/groups", "/limits"])
def test_head_is_get_without_the_body(api, path):
    got, headed = api("GET", path), api("HEAD", path)
    assert headed.status == got.status == 200
    assert headed.body == b""
    assert headed.headers["content-type"] == got.headers["content-type"]


def test_text_outside_ascii_is_escaped_on_the_way_out(api):
    made = api("POST", "/groups", group_body(name="caf\u00e9 \U0001f9a6"))
    assert rb"caf\u00e9 \ud83e\udda6" in made.body
    assert made.document["group"]["groupConfiguration"]["name"] == "caf\u00e9 \U0001f9a6"
