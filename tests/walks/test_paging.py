"""Lists come in pages. (Contract, 7.)"""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.walks.api import link
from tests.walks.documents import policy


@pytest.fixture(params=["groups", "policies", "webhooks"])
def listing(request, api):
    """The name and the URL of a collection of five, and their ids in order."""
    if request.param == "groups":
        return "groups", f"{api.root}/groups/", sorted(api.create_group()["id"] for _ in range(5))
    url = link(api.create_group()) + "policies/"
    made = api.create(url, *[policy()] * 5)
    if request.param == "webhooks":
        url = link(made[0]) + "webhooks/"
        made = api.create(url, *[{"name": "hook"}] * 5)
    return request.param, url, sorted(each["id"] for each in made)


def page(api, url, name):
    """The ids on a page, and the links below it."""
    answer = api("GET", url)
    assert answer.status == 200, answer
    assert answer.document.keys() == {name, f"{name}_links"}
    return [each["id"] for each in answer.document[name]], answer.document[f"{name}_links"]


@pytest.mark.both_stores
def test_rows_10_and_13_a_list_is_sorted_by_id_and_ends_without_a_link(api, listing):
    name, url, ids = listing
    assert page(api, url, name) == (ids, [])


@pytest.mark.both_stores
def test_rows_11_and_18_pages_lead_through_the_whole_list(api, listing):
    name, url, ids = listing
    some, [following] = page(api, f"{url}?limit=4", name)
    assert some == ids[:4]
    assert following == {"rel": "next", "href": f"{url}?limit=4&marker={ids[3]}"}
    assert page(api, following["href"], name) == (ids[4:], [])


@pytest.mark.both_stores
def test_following_links_ends(api, listing):
    name, url, ids = listing
    seen, links = page(api, f"{url}?limit=1", name)
    while links:
        assert len(seen) <= 5
        some, links = page(api, links[0]["href"], name)
        seen += some
    assert seen == ids


@pytest.mark.parametrize("limit", ["0", "-1", "-1000", "1", "%2B1", "%201%20"])
def test_row_14_a_small_limit_gives_one_item(api, listing, limit):
    name, url, ids = listing
    some, [following] = page(api, f"{url}?limit={limit}", name)
    assert some == ids[:1]
    assert parse_qs(urlsplit(following["href"]).query) == {"limit": ["1"], "marker": [ids[0]]}


@pytest.mark.parametrize("limit", ["101", "1000", "100000", "9" * 30])
def test_row_15_a_large_limit_gives_a_whole_page(api, listing, limit):
    name, url, ids = listing
    assert page(api, f"{url}?limit={limit}", name) == (ids, [])


def test_row_15_a_whole_page_has_100_items(api, group):
    url = link(group) + "policies/"
    ids = sorted(each["id"] for each in api.create(url, *[policy()] * 100))
    for query in ("", "?limit=101", "?limit=1000", "?limit=100000"):
        some, [following] = page(api, url + query, "policies")
        assert some == ids
        assert following["href"] == f"{url}?limit=100&marker={ids[-1]}"
    assert page(api, following["href"], "policies") == ([], [])


def test_row_15_there_are_never_more_than_100_items_on_a_page(api):
    with ThreadPoolExecutor(8) as crowd:
        ids = sorted(crowd.map(lambda _: api.create_group()["id"], range(102)))
    for query in ("", "?limit=101", "?limit=1000", "?limit=100000"):
        some, [following] = page(api, f"/groups{query}", "groups")
        assert some == ids[:100]
        assert page(api, following["href"], "groups") == (ids[100:], [])


@pytest.mark.parametrize("limit", ["ab", "%26", "3.0", "", "1e2", "0x10", "--1", "1%202"])
def test_row_16_a_limit_that_is_no_number_is_refused(api, listing, limit):
    _, url, _ = listing
    answer = api("GET", f"{url}?limit={limit}")
    assert answer.refusal == (400, "InvalidQueryArgument")


@pytest.mark.parametrize("marker", ["1", "invalid", "-13", "", "%00", "%ff", "%F0%9F%A6%A6", "z" * 2000])
@pytest.mark.both_stores
def test_row_17_any_marker_will_do(api, listing, marker):
    name, url, ids = listing
    shown, links = page(api, f"{url}?marker={marker}", name)
    assert set(shown) <= set(ids)
    assert links == []


@pytest.mark.both_stores
def test_a_marker_is_a_place_and_not_an_item(api, listing):
    name, url, ids = listing
    assert page(api, f"{url}?marker={ids[1]}", name)[0] == ids[2:]
    assert page(api, f"{url}?marker={ids[1]}0", name)[0] == ids[2:]
    assert page(api, f"{url}?marker={ids[1][:-1]}", name)[0] == ids[1:]


def test_row_12_unknown_parameters_are_ignored_and_not_repeated(api, listing):
    name, url, ids = listing
    some, [following] = page(api, f"{url}?unknown=1&limit=2&limit=x&webhooks=true", name)
    assert some == ids[:2]
    assert following["href"] == f"{url}?limit=2&marker={ids[1]}"
