import json
from io import BytesIO

import pytest
from attrs import field, frozen

from otter.domain.errors import Invalid, InvalidJson, InvalidQueryArgument
from otter.domain.limits import Page
from otter.rest.bodies import DEEPEST, flag, json_body, page, url
from otter.rest.schemas import CONFIG_BODY, LAUNCH_BODY, POLICIES_BODY, POLICY_BODY
from otter.rest.site import owner_in, readable

SERVER = {"flavorRef": "2", "imageRef": "image"}


@frozen
class Asked:
    """A request, as far as its body and query go."""

    body: bytes = b""
    args: dict = field(factory=dict)

    @property
    def content(self):
        return BytesIO(self.body)


def read(body, schema):
    return json_body(Asked(body if isinstance(body, bytes) else json.dumps(body).encode()), schema)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a": NaN}', b"[Infinity]", b"[1e999]", b'["\\ud800"]', b"[" * 100_000, b"1" * 5000],
)
def test_what_is_not_json_is_refused(body):
    with pytest.raises(InvalidJson):
        read(body, POLICY_BODY)


def test_a_document_is_only_so_deep():
    nested = "x"
    for _ in range(DEEPEST):
        nested = [nested]
    with pytest.raises(InvalidJson, match="nested"):
        read(nested, POLICY_BODY)


@pytest.mark.parametrize("value", [True, 3.0, "3", None, -1, 1001])
def test_a_number_of_servers_is_an_integer_within_bounds(value):
    config = {"name": "web", "cooldown": 0, "minEntities": 0, "maxEntities": 5, "metadata": {}}
    read(config, CONFIG_BODY)
    with pytest.raises(Invalid):
        read({**config, "minEntities": value}, CONFIG_BODY)


@pytest.mark.parametrize(
    "change", [{}, {"change": 0}, {"change": 1, "desiredCapacity": 2}, {"change": 1.5}, {"desiredCapacity": -1}]
)
def test_a_policy_has_exactly_one_sound_change(change):
    with pytest.raises(Invalid):
        read({"name": "up", "type": "webhook", "cooldown": 0, **change}, POLICY_BODY)


def test_a_hostile_list_is_refused_without_being_read_to_the_end():
    with pytest.raises(Invalid):
        read([{}] * 200_000, POLICIES_BODY)


@pytest.mark.parametrize(
    ("server", "good"),
    [
        (SERVER, True),
        ({"flavorRef": "2", "block_device_mapping": []}, True),
        ({"flavorRef": "2", "imageRef": None, "block_device_mapping": [{}]}, True),
        ({"flavorRef": "2", "imageRef": "", "block_device_mapping_v2": [{}]}, True),
        ({**SERVER, "metadata": None, "networks": 5, "anything": [1]}, True),
        ({"flavorRef": "2"}, False),
        ({"flavorRef": "2", "imageRef": " ", "block_device_mapping": []}, False),
        ({**SERVER, "flavorRef": 2}, False),
        ({**SERVER, "flavorRef": "2\n"}, False),
        ({**SERVER, "metadata": {"ä": "x"}}, False),
        ({**SERVER, "personality": [{"path": "/x"}]}, False),
    ],
)
def test_a_server_needs_a_flavor_and_something_to_boot_from(server, good):
    launch = {"type": "launch_server", "args": {"server": server}}
    if good:
        assert read(launch, LAUNCH_BODY) == launch
    else:
        with pytest.raises(Invalid):
            read(launch, LAUNCH_BODY)


def test_unknown_fields_are_refused_wherever_the_object_is_closed():
    policy = {"name": "up", "type": "webhook", "cooldown": 0, "change": 1}
    with pytest.raises(Invalid, match="extra"):
        read({**policy, "extra": 1}, POLICY_BODY)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, Page(100)),
        ({b"limit": [b"7", b"9"], b"marker": [b"m"]}, Page(7, "m")),
        ({b"limit": [b"0"]}, Page(1)),
        ({b"limit": [b"-1"]}, Page(1)),
        ({b"limit": [b"100000"]}, Page(100)),
    ],
)
def test_a_page_is_clamped(query, expected):
    assert page(Asked(args=query), 100) == expected


@pytest.mark.parametrize("limit", [b"ab", b"", b"3.0", b"1_0", "٣".encode()])
def test_a_limit_is_an_integer(limit):
    with pytest.raises(InvalidQueryArgument):
        page(Asked(args={b"limit": [limit]}), 100)


def test_a_flag_is_true_or_false_in_any_case():
    assert flag(Asked(args={b"force": [b"tRuE"]}), "force", default=False) is True
    assert flag(Asked(), "force", default=False) is False
    with pytest.raises(InvalidQueryArgument):
        flag(Asked(args={b"force": [b""]}), "force", default=False)


def test_links_are_quoted_and_end_with_a_slash():
    assert (
        url("http://x", "t:1", "groups", limit="2", marker="a b") == "http://x/v1.0/t%3A1/groups/?limit=2&marker=a%20b"
    )


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/v1.0/111/groups/g1/state?x=1", {"tenant": "111", "group": "g1"}),
        ("/v1.0/111/groups/", {"tenant": "111"}),
        ("/v1.0/execute/1/abc/", {}),
        ("/health", {}),
    ],
)
def test_a_path_tells_whose_it_is(path, owner):
    assert owner_in(path) == owner


def test_a_path_that_is_no_utf_8_is_made_readable():
    assert readable(b"/v1.0/%C3%A9/x") == b"/v1.0/%C3%A9/x"
    assert readable(b"/v1.0/%C3%28/%ff") == b"/v1.0/%EF%BF%BD%28/%EF%BF%BD"
