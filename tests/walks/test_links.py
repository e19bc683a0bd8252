"""Links can be followed, and concatenated. (Contract, 8 and 3.3.)"""

import re
from urllib.parse import urlsplit

import pytest

from tests.rig.processes import until
from tests.walks.api import Api, link
from tests.walks.documents import config, group_body, launch, policy


@pytest.fixture
def owned(api):
    """A group, its policy and that one's webhook."""
    group = api.create_group(policy())
    [up] = group["scalingPolicies"]
    [hook] = api.create(link(up) + "webhooks", {"name": "hook"})
    return group, up, hook


def hrefs_in(document):
    """Every link in a document, and in what it consists of."""
    if isinstance(document, dict):
        yield from [document["href"]] if "href" in document else ()
    if isinstance(document, dict | list | tuple):
        for part in document.values() if isinstance(document, dict) else document:
            yield from hrefs_in(part)


def test_row_5_links_end_with_a_slash_so_that_execute_can_be_appended(api, owned):
    group, up, _ = owned
    manifest = api("GET", link(group) + "?webhooks=true").document
    pages = [
        api("GET", f"{url}?limit=1").document for url in ("/groups", link(group) + "policies", link(up) + "webhooks")
    ]
    found = [urlsplit(href) for href in hrefs_in([owned, manifest, pages])]
    assert len(found) >= 14
    assert all(url.scheme and url.path.endswith("/") for url in found)
    assert api("POST", link(up) + "execute").status == 202


def test_row_6_self_links_have_the_base_url_the_tenant_and_the_id(api, owned):
    for document in owned:
        assert link(document).startswith(f"{api.root}/groups/")
        assert document["id"] in link(document)
        assert re.match(r"/v\d", urlsplit(link(document)).path)


def test_row_7_self_links_show_the_same_object(api, owned):
    group, up, hook = owned
    shown = api("GET", link(group)).document["group"]
    assert {**shown, "state": None} == {**group, "state": None}
    assert api("GET", link(up)).document == {"policy": up}
    assert api("GET", link(hook)).document == {"webhook": hook}


def test_row_8_a_capability_link_ends_with_its_version_and_64_hex_digits(otter, owned):
    *_, hook = owned
    assert re.fullmatch(rf"{re.escape(otter.root)}/execute/1/[0-9a-f]{{64}}/", link(hook, "capability"))


def test_each_relation_occurs_once(owned):
    relations = [[each["rel"] for each in document["links"]] for document in owned]
    assert relations == [["self"], ["self"], ["self", "capability"]]


def test_a_manifest_links_to_its_collections(api, owned):
    group, up, _ = owned
    shown = api("GET", link(group) + "?webhooks=true").document["group"]
    assert shown["scalingPolicies_links"] == [{"rel": "policies", "href": link(group) + "policies/"}]
    [shown_policy] = shown["scalingPolicies"]
    assert shown_policy["webhooks_links"] == [{"rel": "webhooks", "href": link(up) + "webhooks/"}]


def test_locations_lead_to_what_was_made(api, group):
    made = api("POST", link(group) + "policies", [policy()])
    assert made.headers["location"] == link(group) + "policies/"
    [up] = made.document["policies"]
    hooks = api("POST", link(up) + "webhooks", [{"name": "hook"}])
    assert hooks.headers["location"] == link(up) + "webhooks/"


def test_the_location_of_a_group_is_its_self_link(api):
    made = api("POST", "/groups", group_body())
    assert made.headers["location"] == link(made.document["group"])


def test_an_odd_tenant_is_escaped_in_links_that_work(otter, tenant):
    odd = Api(f"{otter.root}/{tenant}%3A1%20%C3%A9")
    group = odd.create_group()
    assert link(group).startswith(f"{odd.root}/groups/")
    assert odd("GET", link(group)).status == 200
    assert odd("DELETE", link(group)).status == 204


@pytest.mark.parametrize("path", ["", "state", "config", "launch", "policies"])
def test_row_9_get_works_with_and_without_a_trailing_slash(api, group, path):
    until(lambda: api.state(group)["converged_generation"] == 1, seconds=30)  # from now on nothing changes
    bare = link(group) + path if path else link(group).rstrip("/")
    assert api("GET", bare).status == api("GET", bare + "/").status == 200
    assert api("GET", bare).body == api("GET", bare + "/").body


def test_row_9_posts_are_not_redirected_from_either_form(api, owned):
    group, up, hook = owned
    for slash in ("", "/"):
        assert api("POST", f"{link(group)}policies{slash}", [policy()]).status == 201
        assert api("POST", f"{link(up)}webhooks{slash}", [{"name": "hook"}]).status == 201
        assert api("POST", f"{link(up)}execute{slash}").status == 202
        assert api("POST", link(hook, "capability").rstrip("/") + slash).status == 202
        assert api("PUT", f"{link(group)}config{slash}", config()).status == 204
        assert api("PUT", f"{link(group)}launch{slash}", launch()).status == 204


def test_row_9_policies_and_webhooks_have_both_forms(api, owned):
    _, up, hook = owned
    for bare in (link(up).rstrip("/"), link(up) + "webhooks", link(hook).rstrip("/")):
        assert api("GET", bare).status == api("GET", bare + "/").status == 200
        assert api("GET", bare).document == api("GET", bare + "/").document


@pytest.mark.parametrize("path", ["/groups", "/limits"])
def test_row_9_collections_of_the_tenant_have_both_forms(api, path):
    assert api("GET", path).document == api("GET", path + "/").document


@pytest.mark.parametrize(
    "path", ["//groups", "/groups//", "/Groups", "/GROUPS", "/groups.json", "/history", "%2Fgroups"]
)
def test_paths_that_are_nearly_right_are_not_found(api, path):
    assert api("GET", path).refusal[0] == 404


@pytest.mark.parametrize("path", ["//v1.0/{}/groups", "/%2Fv1.0/{}/groups", "///v1.0/{}/groups", "/v1.0%2F{}%2fgroups"])
def test_a_path_that_a_proxy_reads_in_another_way_is_not_found(otter, api, tenant, path):
    root = otter.root.removesuffix("/v1.0")
    assert api("GET", root + path.format(tenant)).refusal == (404, "NotFound")
    assert api("POST", root + path.format(tenant), group_body()).refusal == (404, "NotFound")
