"""The simulated Nova, asked as otter asks it, and asked directly."""

import json
from collections.abc import Callable
from math import inf
from random import Random
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from effect import ComposedDispatcher, Effect, TypeDispatcher, base_dispatcher, sync_perform, sync_performer
from pyrsistent import pset
from twisted.internet.task import Clock

from otter.cloud.errors import ApiError
from otter.cloud.nova import (
    InvalidServer,
    OverQuota,
    Refused,
    create_server,
    delete_server,
    get_server,
    list_servers,
    mark_leaving,
    release_server,
    show_flavor,
    show_image,
    show_limits,
)
from otter.cloud.request import CloudRequest
from otter.domain.group import GroupId
from otter.domain.launch import FileLimits
from otter.domain.servers import Server, ServerState
from tests.sim.world.answers import Answer, Ask, Nature
from tests.sim.world.nova import Birth, Habits, Nova

LAUNCH = {"imageRef": "img-1", "flavorRef": "2"}
TENANT = "111"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def nova(clock):
    return made_by(clock, build=lambda random: Birth(30), deletion=lambda random: 5)


def made_by(clock: Clock, seed: int = 1, **knobs: Any) -> Nova:
    return Nova(Nature(clock.seconds, clock.callLater, Random(seed)), **knobs)


def perform(nova: Nova, effect: Effect, tenant: str = TENANT) -> Any:
    """What comes of an effect; answers go through JSON, as they do in life."""

    @sync_performer
    def ask(_: Any, request: CloudRequest) -> Any:
        params = dict(request.params or {})
        answer = nova.answer(Ask(tenant, request.method, unquote(request.path), params, request.json))
        body = "" if answer.document is None else json.dumps(answer.document)
        if answer.status not in request.success:
            raise ApiError(answer.status, body)
        return json.loads(body) if body else None

    return sync_perform(ComposedDispatcher([TypeDispatcher({CloudRequest: ask}), base_dispatcher]), effect)


def create(nova: Nova, name: str = "web", tenant: str = TENANT, **launch: Any) -> str:
    effect = create_server(GroupId(tenant, "g1"), "c1", name, {**LAUNCH, **launch}, pset(), inf)
    return perform(nova, effect, tenant)


def create_some(nova: Nova, clock: Clock, count: int) -> list[str]:
    """Ids of servers, made in different seconds."""
    ids = []
    for number in range(count):
        ids.append(create(nova, f"web-{number}"))
        clock.advance(1)
    return ids


def listed(nova: Nova, tenant: str = TENANT) -> list[Server]:
    return list(perform(nova, list_servers(), tenant))


def ids_in(servers: list[Server]) -> list[str]:
    return [server.id for server in servers]


def page(nova: Nova, limit: int, following: Answer | None = None) -> Answer:
    """One page of the list; the one after ``following``, if there is that."""
    href = "" if following is None else following.document["servers_links"][0]["href"]
    params = parse_qs(urlsplit(href).query) or {"limit": [str(limit)]}
    return nova.answer(Ask(TENANT, "GET", "servers/detail", params))


def ids_on(answer: Answer) -> list[str]:
    return [document["id"] for document in answer.document["servers"]]


def put(nova: Nova, server_id: str, key: str, value: Any) -> Answer:
    body = {"meta": {key: value}} if key else {"metadata": value}
    return nova.answer(Ask(TENANT, "PUT", f"servers/{server_id}/metadata/{key}".rstrip("/"), json=body))


def message(answer: Answer) -> str:
    (said,) = answer.document.values()
    assert said["code"] == answer.status
    return said["message"]


def test_a_server_is_built_over_time_and_has_its_address_then(nova, clock):
    server_id = create(nova)
    (building,) = listed(nova)
    assert (building.id, building.state, building.address, building.created) == (server_id, ServerState.BUILD, "", 0)
    clock.advance(30)
    (built,) = listed(nova)
    assert built.state == ServerState.ACTIVE
    assert built.address.startswith("10.")
    assert perform(nova, get_server(server_id)) == built
    assert (built.group_id, built.create_id) == ("g1", "c1")
    assert built.links[0]["href"].endswith(f"/{TENANT}/servers/{server_id}")


@pytest.mark.parametrize(
    ("birth", "status"), [(Birth(9, "ERROR"), "ERROR"), (Birth(9, ""), "BUILD"), (Birth(inf), "BUILD")]
)
def test_a_build_may_fail_or_never_end(nova, clock, birth, status):
    nova.build = lambda random: birth
    create(nova)
    clock.advance(100000)
    (server,) = nova.servers(TENANT)
    assert (server.status, server.address) == (status, "")


def test_builds_are_finished_by_hand(nova, clock):
    nova.build = lambda random: Birth(9, "")
    _, second = create_some(nova, clock, 2)
    nova.finish_building(second)
    assert [server.status for server in nova.servers(TENANT)] == ["BUILD", "ACTIVE"]
    nova.finish_building()
    assert [server.status for server in nova.servers(TENANT)] == ["ACTIVE", "ACTIVE"]
    assert len({server.address for server in nova.servers(TENANT)}) == 2


def test_a_server_that_is_deleted_is_going_for_some_time_and_then_gone(nova, clock):
    server_id = create(nova)
    clock.advance(30)
    perform(nova, delete_server(server_id))
    assert [server.state for server in listed(nova)] == [ServerState.DELETING]
    clock.advance(4)
    perform(nova, delete_server(server_id))
    clock.advance(1)
    assert listed(nova) == []
    assert perform(nova, get_server(server_id)) is None
    assert nova.answer(Ask(TENANT, "DELETE", f"servers/{server_id}")).status == 404


def test_a_server_that_hangs_in_its_end_goes_when_it_is_deleted_again_or_by_hand(nova, clock):
    nova.deletion = lambda random: inf
    first, second = create_some(nova, clock, 2)
    for server_id in (first, second):
        perform(nova, delete_server(server_id))
    clock.advance(100000)
    assert [server.is_going for server in nova.servers(TENANT)] == [True, True]
    nova.deletion = lambda random: 5
    perform(nova, delete_server(first))
    clock.advance(5)
    assert [server.id for server in nova.servers(TENANT)] == [second]
    nova.finish_deleting()
    assert nova.servers(TENANT) == []


def test_a_server_that_is_going_is_not_built_any_further(nova, clock):
    nova.deletion = lambda random: 100
    perform(nova, delete_server(create(nova)))
    clock.advance(60)
    assert [(server.status, server.is_going) for server in nova.servers(TENANT)] == [("BUILD", True)]


def test_a_tenant_does_not_find_anothers_servers(nova):
    server_id = create(nova, tenant="222")
    assert listed(nova) == []
    assert perform(nova, get_server(server_id)) is None
    for method, path in (("DELETE", ""), ("GET", "/metadata"), ("PUT", "/metadata/k")):
        ask = Ask(TENANT, method, f"servers/{server_id}{path}", json={"meta": {"k": "v"}})
        assert nova.answer(ask).status == 404
    assert ids_in(listed(nova, "222")) == [server_id]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_paging_finds_each_server_once(nova, clock, size):
    ids = create_some(nova, clock, 7)
    nova.page = size
    assert ids_in(listed(nova)) == ids[::-1]


@pytest.mark.parametrize("change", ["create", "vanish the marker", "vanish one before"])
def test_pages_by_marker_are_not_shifted_by_changes(nova, clock, change):
    ids = create_some(nova, clock, 6)
    first = page(nova, 3)
    match change:
        case "create":
            create(nova)
        case "vanish the marker":
            nova.vanish(ids[3])
        case _:
            nova.vanish(ids[5])
    assert ids_on(first) + ids_on(page(nova, 3, first)) == ids[::-1]


def test_pages_by_position_shift_with_what_comes_and_goes(nova, clock):
    nova.shifting = True
    ids = create_some(nova, clock, 6)
    first = page(nova, 3)
    create(nova)
    assert ids_on(page(nova, 3, first)) == [ids[3], ids[2], ids[1]]
    first = page(nova, 3)
    nova.vanish(ids[5])
    assert ids_on(page(nova, 3, first)) == [ids[2], ids[1], ids[0]]


def test_a_marker_may_be_forgotten_and_a_wrong_one_is_refused(nova, clock):
    ids = create_some(nova, clock, 4)
    first = page(nova, 2)
    nova.forgets_markers = True
    assert ids_on(page(nova, 2, first)) == [ids[1], ids[0]]
    nova.vanish(ids[2])
    assert message(page(nova, 2, first)) == f"marker [{ids[2]}] not found"
    for wrong in ("x", "", create(nova, tenant="222")):
        params = {"limit": ["2"], "marker": [wrong]}
        assert nova.answer(Ask(TENANT, "GET", "servers/detail", params)).status == 400


@pytest.mark.parametrize("limit", ["-1", "x", ""])
def test_a_limit_that_is_no_number_is_refused(nova, limit):
    assert nova.answer(Ask(TENANT, "GET", "servers/detail", {"limit": [limit]})).status == 400


def test_a_list_that_lags_shows_the_past_and_a_single_server_does_not(nova, clock):
    first = create(nova)
    clock.advance(30)
    second = create(nova)
    perform(nova, delete_server(first))
    nova.lag = 10
    clock.pump([5, 4])
    (seen,) = listed(nova)
    assert (seen.id, seen.state) == (first, ServerState.BUILD)
    assert perform(nova, get_server(first)) is None
    assert perform(nova, get_server(second)).id == second
    clock.advance(1)
    assert [(s.id, s.state) for s in listed(nova)] == [(second, ServerState.BUILD), (first, ServerState.DELETING)]
    clock.advance(5)
    assert ids_in(listed(nova)) == [second]
    nova.lag = 36
    assert ids_in(listed(nova)) == [first]


def test_a_list_lags_for_one_tenant_only(nova, clock):
    nova.apart("222").lag = 10
    assert nova.apart("222").build is nova.build
    create(nova)
    create(nova, tenant="222")
    assert (len(listed(nova)), len(listed(nova, "222"))) == (1, 0)
    clock.advance(10)
    assert (len(listed(nova)), len(listed(nova, "222"))) == (1, 1)
    create(nova, tenant="222")
    assert len(listed(nova, "222")) == 1
    del nova.own["222"]
    assert len(listed(nova, "222")) == 2


def test_history_is_bounded_and_what_is_older_looks_like_its_beginning(nova, clock):
    nova.longest_lag = 3
    ids = create_some(nova, clock, 10)
    nova.lag = 8
    assert ids_in(listed(nova)) == ids[6::-1]


def test_a_stale_replica_makes_the_list_go_back_in_time(nova, clock):
    ids = create_some(nova, clock, 1)
    clock.advance(100)
    create(nova)
    nova.stale_replica = 50
    sizes = [len(listed(nova)) for _ in range(50)]
    assert set(sizes) == {1, 2}
    assert sizes != sorted(sizes)
    nova.stale_replica = 0
    assert ids_in(listed(nova))[1:] == ids


def test_a_server_turns_up_on_two_pages(nova, clock):
    ids = create_some(nova, clock, 6)
    nova.page, nova.duplicates = 3, 1.0
    found = ids_in(listed(nova))
    assert len(found) > len(set(found)) == 6
    nova.page = 1
    assert ids_in(listed(nova)) == ids[::-1]


def test_a_server_is_missing_from_a_list_by_chance_or_by_name(nova, clock):
    ids = create_some(nova, clock, 6)
    nova.missing = 1.0
    found = [ids_in(listed(nova)) for _ in range(20)]
    assert all(len(each) == 5 for each in found)
    assert len(set(map(tuple, found))) > 1
    nova.missing = 0.0
    nova.hidden.add(ids[2])
    assert sorted(ids_in(listed(nova))) == sorted(set(ids) - {ids[2]})
    assert perform(nova, get_server(ids[2])).id == ids[2]


@pytest.mark.parametrize(("status", "kind"), [(403, "forbidden"), (413, "overLimit")])
def test_a_tenant_has_a_quota(nova, clock, status, kind):
    nova.own[TENANT] = Habits(quota=2, quota_status=status, deletion=lambda random: 5)
    first, _ = create_some(nova, clock, 2)
    with pytest.raises(OverQuota, match="Quota exceeded for instances: Requested 1, but already used 2 of 2 instances"):
        create(nova)
    answer = nova.answer(Ask(TENANT, "POST", "servers", json={"server": {**LAUNCH, "name": "web"}}))
    assert (answer.status, list(answer.document)) == (status, [kind])
    perform(nova, delete_server(first))
    with pytest.raises(OverQuota):
        create(nova)
    clock.advance(5)
    create(nova)
    create(nova, tenant="222")


@pytest.mark.parametrize(
    ("launch", "said"),
    [
        ({"key_name": "missing"}, "Invalid key_name provided."),
        ({"imageRef": "vanished"}, "Can not find requested image"),
        ({"imageRef": "queued"}, "Image queued is not active."),
        ({"flavorRef": "99"}, "Invalid flavorRef provided."),
        ({"metadata": {"k": "x" * 256}}, "Metadata property value greater than 255 characters"),
    ],
)
def test_a_launch_that_makes_no_sense_is_refused(nova, launch, said):
    nova.images["queued"] = "SAVING"
    with pytest.raises(InvalidServer, match=said):
        create(nova, **launch)
    assert nova.servers(TENANT) == []


@pytest.mark.parametrize("status", [403, 413])
def test_a_server_takes_only_so_many_items_of_metadata(nova, status):
    nova.metadata_status = status
    full = create(nova, metadata={f"k{n}": "v" for n in range(37)})
    assert len(nova.server(full).metadata) == 40
    refused = put(nova, full, "one-more", "v")
    assert (refused.status, message(refused)) == (status, "Maximum number of metadata items exceeds 40")
    assert put(nova, full, "k0", "other").status == 200
    perform(nova, mark_leaving(full))
    assert put(nova, full, "", {f"k{n}": "v" for n in range(41)}).status == status
    with pytest.raises((Refused, ApiError), match="Maximum number of metadata items exceeds 40"):
        create(nova, metadata={f"k{n}": "v" for n in range(38)})
    assert [server.id for server in nova.servers(TENANT)] == [full]


def test_metadata_are_marked_and_taken_off(nova):
    server_id = create(nova, metadata={"theirs": "1"})
    perform(nova, mark_leaving(server_id))
    assert perform(nova, get_server(server_id)).marked
    perform(nova, release_server(server_id))
    assert nova.server(server_id).metadata == {"theirs": "1"}
    assert perform(nova, get_server(server_id)).group_id is None


@pytest.mark.parametrize(
    ("key", "body"),
    [("k", {}), ("k", {"meta": {"other": "v"}}), ("k", {"meta": {"k": 1}}), ("", {"metadata": {"": "v"}}), ("", None)],
)
def test_metadata_that_make_no_sense_are_refused(nova, key, body):
    server_id = create(nova)
    before = nova.server(server_id).metadata
    ask = Ask(TENANT, "PUT", f"servers/{server_id}/metadata/{key}".rstrip("/"), json=body)
    assert nova.answer(ask).status == 400
    assert nova.server(server_id).metadata == before


def test_a_picky_nova_takes_no_metadata_for_a_server_that_is_busy(nova, clock):
    nova.picky = True
    server_id = create(nova)
    assert put(nova, server_id, "k", "v").status == 409
    clock.advance(30)
    assert put(nova, server_id, "k", "v").status == 200
    perform(nova, delete_server(server_id))
    assert put(nova, server_id, "k", "w").status == 409


def test_other_peoples_hands(nova, clock):
    server_id = nova.create_other(TENANT, "theirs", {"rax:autoscale:group:id": "g9"})
    (seen,) = listed(nova)
    assert (seen.state, seen.group_id, seen.address != "") == (ServerState.ACTIVE, "g9", True)
    nova.edit_metadata(server_id, {"rax:autoscale:group:id": None, "more": "1"})
    assert nova.server(server_id).metadata == {"more": "1"}
    nova.set_status(server_id, "ERROR")
    assert [server.state for server in listed(nova)] == [ServerState.BROKEN]
    nova.vanish(server_id)
    nova.vanish(server_id)
    assert (listed(nova), nova.servers(TENANT), nova.server(server_id)) == ([], [], None)


def test_images_flavors_and_limits_are_shown(nova):
    nova.images["queued"] = "SAVING"
    assert [perform(nova, show_image(image)) for image in ("img-1", "queued", "x")] == ["ACTIVE", "SAVING", None]
    assert [perform(nova, show_flavor(flavor)) for flavor in ("2", "99")] == ["2", None]
    assert perform(nova, show_limits()) == FileLimits(5, 1000)


def test_an_address_is_used_again_if_that_is_the_habit(nova):
    first = nova.create_other(TENANT, "a")
    address = nova.server(first).address
    nova.vanish(first)
    assert nova.server(nova.create_other(TENANT, "b")).address != address
    nova.reuse_addresses = True
    assert nova.server(nova.create_other(TENANT, "c")).address == address


def test_listeners_are_told_what_requests_change_and_nothing_else(nova, clock):
    told: list[tuple] = []

    def hear(what: str) -> Callable[[Ask, Any], None]:
        return lambda ask, server: told.append((what, ask.method, server.id, nova.server(server.id) is server))

    nova.on_create.append(hear("create"))
    nova.on_delete.append(hear("delete"))
    nova.on_metadata.append(hear("metadata"))
    nova.create_other(TENANT, "theirs")
    server_id = create(nova)
    perform(nova, mark_leaving(server_id))
    assert put(nova, server_id, "k", 1).status == 400
    nova.edit_metadata(server_id, {"k": "v"})
    perform(nova, delete_server(server_id))
    perform(nova, delete_server(server_id))
    clock.advance(100)
    assert told == [
        ("create", "POST", server_id, True),
        ("metadata", "PUT", server_id, True),
        ("delete", "DELETE", server_id, True),
    ]


def test_what_metadata_were_before_a_request_is_known(nova):
    server_id = create(nova, metadata={"theirs": "1"})
    before = dict(nova.server(server_id).metadata)
    put(nova, server_id, "", {"k": "v"})
    assert (nova.server(server_id).metadata, nova.server(server_id).metadata_before) == ({"k": "v"}, before)


def test_an_answer_is_not_changed_by_what_happens_later(nova, clock):
    server_id = create(nova)
    asks = [
        Ask(TENANT, "GET", path) for path in ("servers/detail", f"servers/{server_id}", f"servers/{server_id}/metadata")
    ]
    answers = [nova.answer(ask) for ask in asks]
    texts = [json.dumps(answer.document) for answer in answers]
    put(nova, server_id, "k", "v")
    clock.advance(30)
    perform(nova, delete_server(server_id))
    assert [json.dumps(answer.document) for answer in answers] == texts
    assert [json.dumps(nova.answer(ask).document) for ask in asks] != texts


def a_life(seed: int) -> list[str]:
    """All that is said in some time, with all that goes by chance."""
    clock, random = Clock(), Random(7)
    nova = made_by(clock, seed, page=3, lag=2.0, stale_replica=4.0, duplicates=0.3, missing=0.3, shifting=True)
    said = []
    for number in range(300):
        known = nova.servers(TENANT)
        if random.random() < 0.2:
            said.append(nova.answer(Ask(TENANT, "POST", "servers", json={"server": {**LAUNCH, "name": f"w{number}"}})))
        if known and random.random() < 0.15:
            said.append(nova.answer(Ask(TENANT, "DELETE", f"servers/{random.choice(known).id}")))
        said.append(page(nova, 3))
        clock.advance(random.random() * 3)
    return [json.dumps([answer.status, answer.document]) for answer in said]


def test_the_same_seed_and_the_same_requests_give_the_same_answers():
    assert a_life(1) == a_life(1)
    assert a_life(1) != a_life(2)
