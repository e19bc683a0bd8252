"""Bodies that are no JSON, or no sensible JSON, or too long. (Contract, 3.6 and 5.)"""

import json
from http.client import HTTPConnection
from socket import create_connection
from urllib.parse import urlsplit

import pytest

from tests.walks.api import link
from tests.walks.documents import config, group_body, launch, policy

MEBIBYTE = 1024 * 1024
NO_JSON = {
    "empty": b"",
    "blank": b"  \n",
    "a word": b"nonsense",
    "unfinished": b'{"name": ',
    "single quotes": b"{'name': 'x'}",
    "something after it": b"{} {}",
    "a comma too many": b'{"name": "x",}',
    "invalid UTF-8": b'{"name": "\xff"}',
    "half a surrogate as UTF-8": b'{"name": "\xed\xa0\x80"}',
    "half a surrogate, escaped": rb'{"name": "\ud800"}',
    "latin-1": '{"name": "caf\u00e9"}'.encode("latin-1"),
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "UTF-32": '{"name": "x"}'.encode("utf-32"),
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": Infinity}',
    "-Infinity": b'{"name": -Infinity}',
    "a number too large for anybody": b'{"name": 1e999}',
    "a number too long": b"9" * 10000,
    "nesting": b"[" * 100000 + b"]" * 100000,
    "nesting of objects": b'{"a":' * 100000 + b"1" + b"}" * 100000,
    "a control character": b'{"name": "\x00"}',
}


@pytest.mark.parametrize("name", NO_JSON)
def test_what_is_no_json_is_refused_by_everything_that_reads_a_body(api, group, name):
    [up] = api.create(link(group) + "policies", policy())
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    for method, url in [
        ("POST", "/groups"),
        ("PUT", link(group) + "config"),
        ("PUT", link(group) + "launch"),
        ("POST", link(group) + "policies"),
        ("PUT", link(up)),
        ("POST", link(up) + "webhooks"),
        ("PUT", link(hook)),
    ]:
        assert api(method, url, NO_JSON[name]).refusal == (400, "InvalidJsonError"), url


@pytest.mark.parametrize("body", [None, True, 0, "x", [], {}, [[]], {"groupConfiguration": {}}])
def test_json_of_another_shape_is_refused(api, body):
    assert api("POST", "/groups", json.dumps(body).encode()).refusal == (400, "ValidationError")


def test_unknown_keys_beside_the_known_ones_are_refused(api):
    assert api("POST", "/groups", group_body() | {"metadata": {}}).refusal == (400, "ValidationError")


def test_of_a_key_that_occurs_twice_the_last_one_counts(api, group):
    body = json.dumps(config(name="last")).replace('"name"', '"name": "first", "name"', 1).encode()
    assert api("PUT", link(group) + "config", body).status == 204
    assert api.state(group)["name"] == "last"


@pytest.mark.parametrize("name", ["\u0000", "\U0001f9a6", "\u202e", "' OR 1=1", "</script>"])
def test_odd_names_are_read_back_as_they_were_sent(api, name):
    made = api("POST", "/groups", group_body(policy(name=name), name=name))
    group = made.document["group"]
    assert made.status == 201
    assert api.state(group)["name"] == name
    assert api("GET", link(group) + "policies").document["policies"][0]["name"] == name


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", "x"])
def test_the_content_type_of_a_body_does_not_matter(api, kind):
    assert api("POST", "/groups", group_body(), content_type=kind).status == 201


def test_long_numbers_are_kept(api, group):
    change = int("9" * 4000)
    [up] = api.create(link(group) + "policies", policy(change=change))
    assert api("GET", link(up)).document["policy"]["change"] == change


def nested(depth, text="[%s]"):
    left, right = text.split("%s")
    return f"{left * depth}1{right * depth}".encode()


@pytest.mark.parametrize("text", ["[%s]", '{"a": %s}'], ids=["arrays", "objects"])
def test_nesting_is_refused_at_any_depth(api, group, text):
    for depth in (50, 200, 400, *range(600, 1000, 4), 2000):
        answer = api("PUT", link(group) + "config", nested(depth, text))
        assert answer.status == 400, depth


def test_nesting_within_a_server_is_either_refused_or_kept(api, group):
    for depth in (50, 200, 400, *range(600, 1000, 4), 2000):
        body = json.dumps(launch(deep="HERE")).encode().replace(b'"HERE"', nested(depth))
        answer = api("PUT", link(group) + "launch", body)
        assert answer.status in (204, 400), depth
        assert api("GET", link(group) + "launch").status == 200, depth


def test_nesting_within_balancers_is_refused_at_any_depth(api, group):
    for depth in (50, 200, 400, *range(600, 1000, 4)):
        body = json.dumps(launch(["HERE", "HERE"])).encode().replace(b'"HERE"', nested(depth))
        assert api("PUT", link(group) + "launch", body).status == 400, depth


def test_the_longest_body_is_read(api):
    body = json.dumps(group_body()).encode()
    answer = api("POST", "/groups", body + b" " * (MEBIBYTE - len(body)))
    assert answer.status == 201


TOO_LONG = [
    ("POST", "/groups"),
    ("GET", "/groups"),
    ("GET", "/limits"),
    ("PUT", "/groups/g/config"),
    ("DELETE", "/groups/g"),
    ("POST", "/groups/g/pause"),
    ("POST", "/groups/g/policies/p/execute"),
    ("POST", "/nothing"),
]


@pytest.mark.parametrize(("method", "path"), TOO_LONG)
def test_a_longer_body_is_refused_whoever_would_ignore_it(api, method, path):
    answer = api(method, path, b" " * (MEBIBYTE + 1))
    assert answer.refusal[0] == 413


def test_a_longer_body_is_refused_by_capability_urls(api, group):
    [up] = api.create(link(group) + "policies", policy())
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    assert api("POST", link(hook, "capability"), b" " * (MEBIBYTE + 1)).refusal[0] == 413
    assert api.desired(group) == 0


@pytest.mark.parametrize(("size", "status"), [(100, 400), (MEBIBYTE, 400), (MEBIBYTE + 1, 413), (3 * MEBIBYTE, 413)])
def test_a_body_in_chunks_is_measured_too(otter, tenant, size, status):
    url = urlsplit(otter.root)
    connection = HTTPConnection(url.hostname, url.port, timeout=30)
    chunks = (b" " * min(65536, size - start) for start in range(0, size, 65536))
    connection.request("POST", f"/v1.0/{tenant}/groups", chunks, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert json.load(answer)["error"]["code"] == status
    connection.close()


def test_a_connection_can_be_used_after_a_body_that_was_too_long(otter, tenant):
    url = urlsplit(otter.root)
    connection = HTTPConnection(url.hostname, url.port, timeout=30)
    for body, status in [(b" " * (MEBIBYTE + 1), 413), (json.dumps(group_body()), 201), (b"{", 400)]:
        connection.request("POST", f"/v1.0/{tenant}/groups", body)
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
    connection.close()


@pytest.mark.parametrize(("size", "status"), [(MEBIBYTE, 400), (MEBIBYTE + 1, 413)])
def test_who_asks_before_sending_a_long_body_is_answered(otter, tenant, size, status):
    """As curl does it."""
    url = urlsplit(otter.root)
    head = f"POST /v1.0/{tenant}/groups HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
    with create_connection((url.hostname, url.port), timeout=30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(12) in (b"HTTP/1.1 100", f"HTTP/1.1 {status}".encode())
        connection.sendall(b" " * size)
        answer = b""
        while f'"code": {status}'.encode() not in answer:
            some = connection.recv(65536)
            assert some, answer
            answer += some
