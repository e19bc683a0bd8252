"""Capabilities end up in no log, wherever somebody puts them."""

from urllib.parse import quote, unquote

import pytest

from tests.rig.processes import until
from tests.walks.api import link, sent_raw
from tests.walks.documents import policy


@pytest.fixture
def hook(api):
    [up] = api.create_group(policy())["scalingPolicies"]
    return api.create(link(up) + "webhooks", {"name": "hook"})[0]


def capability_of(hook):
    return link(hook, "capability").rstrip("/").rpartition("/")[2]


def logged(otter, api):
    """The log, in which everything that happened before can be read."""
    last = api("GET", "/limits").headers["x-response-id"]
    until(lambda: last in otter.log.read_text(), saying="the log is written")
    return unquote(otter.log.read_text()).lower()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_on_its_url_do_not_log_a_capability(otter, api, hook, method):
    assert api(method, link(hook, "capability")).status == 405
    assert capability_of(hook) not in logged(otter, api)


ODD_PLACES = [
    "/v1.0/execute/1/{}/more",
    "/v1.0/execute/1/{}execute",
    "/v1.0/execute/{}",
    "/v1.0/execute/1{}",
    "/v1.0/execute//{}",
    "/v1.0/execute/1//{}",
    "//v1.0/execute/1/{}",
    "/V1.0/EXECUTE/1/{}",
    "/v1.0/execute/1%2F{}",
    "/v1.0/t1/execute/1/{}",
    "/v1.0/{}/groups",
    "/v1.0/t1/groups/{}",
    "/v1.0/t1/groups/g/policies/{}/webhooks",
    "/{}",
    "/x{}",
    "/hook_{}",
    "/v1.0/t1/limits?{}",
    "/v1.0/t1/groups?limit={}",
    "/v1.0/t1/groups?marker={}&limit=1",
    "/v1.0/t1/groups/g?force=hook_{}",
    "/v1.0/execute/1/?capability={}",
    "/v1.0/execute/1/#{}",
    "/v1.0/execute/1/%ff{}",
    "/%ff{}",
]


@pytest.mark.parametrize("place", ODD_PLACES)
def test_a_capability_in_an_odd_place_is_not_logged(otter, api, hook, place):
    path = place.format(capability_of(hook))
    sent_raw(otter.root, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert capability_of(hook) not in logged(otter, api)


DISGUISES = {
    "upper case": str.upper,
    "mixed case": lambda text: text[:32].upper() + text[32:],
    "one digit escaped": lambda text: f"%{ord(text[0]):02x}{text[1:]}",
    "every digit escaped": lambda text: "".join(f"%{ord(digit):02x}" for digit in text),
    "a digit too many": lambda text: text + "0",
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_capability_in_disguise_is_not_logged(otter, api, hook, disguise):
    disguised = DISGUISES[disguise](capability_of(hook))
    api("POST", f"{otter.root}/execute/1/{disguised}")
    api("GET", f"/groups/{disguised}")
    assert capability_of(hook) not in logged(otter, api)


def test_a_capability_url_within_another_url_is_not_logged(otter, api, hook):
    """As monitoring services do it: the URL to call is a parameter."""
    api("GET", f"/groups?callback={quote(link(hook, 'capability'), safe='')}")
    assert capability_of(hook) not in logged(otter, api)


def test_a_capability_in_the_request_line_or_a_header_is_not_logged(otter, api, hook):
    capability = capability_of(hook)
    sent_raw(otter.root, f"GET {link(hook, 'capability')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    sent_raw(otter.root, f"{capability} / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    api("GET", "/limits", referer=link(hook, "capability"), user_agent=capability, cookie=capability)
    api("POST", "/groups", capability.encode())
    assert capability not in logged(otter, api)
