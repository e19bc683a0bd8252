"""Launch configurations are compared with the cloud before they are stored. (Contract, 10.1.)"""

from base64 import b64encode
from time import monotonic

import pytest

from tests.rig.otter import url_of
from tests.rig.proxying import drop, garbage, html, stall, status
from tests.walks.api import link
from tests.walks.documents import ABSENT, group_body, launch
from tests.walks.groups import OwnedGroup, converge, relaunch, sick, whole

LB = {"loadBalancerId": 9099, "port": 80}
INVALID_KEY = {"code": 400, "type": "badRequest", "message": "Invalid key_name provided."}
FAULTS = [status(500), drop(), garbage('{"flavor": null}'), html(404, "<h1>Not Found</h1>"), status(401)]


def files(*sizes):
    """A personality of files of so many bytes."""
    return [{"path": f"/file-{size}", "contents": b64encode(b"x" * size).decode()} for size in sizes]


def holding(contents):
    return [{"path": "/file", "contents": contents}]


def posted(api, document):
    return api("POST", "/groups", group_body() | {"launchConfiguration": document})


def problems(answer):
    """What is told to be wrong, without the headline."""
    assert answer.refusal == (400, "InvalidLaunchConfiguration")
    return answer.document["error"]["message"].splitlines()[1:]


def nothing_is_there(api):
    return api("GET", "/groups").document["groups"] == []


def fault_on(proxy, cloud, fault, path, **which):
    return proxy.add(fault, tenant=cloud.tenant, service="nova", path=f"^{path}", **which)


@pytest.mark.parametrize("image_id", ["INVALID-IMAGE-ID", "1111", "detail", "..", "a/b?c", "x" * 300])
def test_rows_39_and_40_an_image_that_does_not_exist_is_refused_on_create_and_put(api, group, image_id):
    document = launch(imageRef=image_id)
    told = [f'Invalid imageRef "{image_id[:128]}" in launchConfiguration']
    assert problems(posted(api, document)) == told
    assert problems(api("PUT", link(group) + "launch", document)) == told
    assert api("GET", link(group) + "launch").document == {"launchConfiguration": launch()}
    assert len(api("GET", "/groups").document["groups"]) == 1


@pytest.mark.parametrize("flavor_id", ["INVALID-FLAVOR-ID", "8888", "-4", "detail", "f" * 200])
def test_row_40_a_flavor_that_does_not_exist_is_refused_on_create_and_put(api, group, flavor_id):
    document = launch(flavorRef=flavor_id)
    told = [f'Invalid flavorRef "{flavor_id[:128]}" in launchConfiguration']
    assert problems(posted(api, document)) == told
    assert problems(api("PUT", link(group) + "launch", document)) == told


def test_rows_39_and_40_an_image_that_exists_is_taken_and_a_longer_id_is_another_one(api, cloud):
    image_id = cloud.image_id()
    assert posted(api, launch(imageRef=image_id, block_device_mapping=ABSENT)).status == 201
    assert len(problems(posted(api, launch(imageRef=image_id + "Z")))) == 1


@pytest.mark.parametrize(
    "personality",
    [
        files(1001),
        files(*[1] * 6),
        holding("abc"),
        holding("not base64"),
        holding(""),
        holding("_-_-"),
        holding("YQ==\n"),
    ],
    ids=str,
)
def test_row_45_files_that_the_cloud_does_not_take_are_refused(api, group, personality):
    document = launch(personality=personality)
    assert "personality" in problems(posted(api, document))[0]
    assert "personality" in problems(api("PUT", link(group) + "launch", document))[0]


def test_row_45_as_many_and_as_large_files_as_the_cloud_takes_are_accepted(api):
    assert posted(api, launch(personality=files(1000, 1000, 1, 2, 3))).status == 201


def test_row_46_servers_are_made_without_a_name(otter, api, cloud):
    made = api("POST", "/groups", group_body(minEntities=1) | {"launchConfiguration": launch(name=ABSENT)})
    assert made.status == 201
    url = url_of(made.document["group"])
    whole(otter, cloud, OwnedGroup(cloud.tenant, made.document["group"]["id"], url, {}, {}), 1)


def test_row_47_a_key_that_does_not_exist_is_accepted_and_told_once_until_it_is_set_right(otter, cloud):
    cloud.on_create("fail", INVALID_KEY, [{"server_name": "bad-.*"}])
    group = otter.create_group(cloud.tenant, 2, name="bad", key_name="nobodys")
    relaunch(otter, group, name="bad", key_name="nobodys-either")
    [message] = sick(otter, group)
    assert "key_name" in message
    assert otter.state(group.url)["status"] == "ERROR"
    relaunch(otter, group, name="good")
    converge(otter, group)
    whole(otter, cloud, group, 2)


def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_stored(api):
    answer = posted(api, launch(imageRef="1111", flavorRef="8888", personality=holding("abc")))
    assert [line.split()[1] for line in problems(answer)] == ["imageRef", "flavorRef", "personality"]
    assert answer.document["error"]["message"].startswith("Following problems with launch configuration:")
    assert nothing_is_there(api)


def test_an_image_that_is_not_active_is_refused(api, cloud, proxy):
    fault_on(proxy, cloud, status(200, {"image": {"id": "i", "status": "SAVING"}}), "images/i")
    assert problems(posted(api, launch(imageRef="i"))) == ['Inactive imageRef "i" in launchConfiguration']


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_could_not_be_checked_is_no_mistake_and_is_told_only_after_three_tries(api, cloud, proxy, fault):
    trouble = fault_on(proxy, cloud, fault, "flavors")
    answer = posted(api, launch())
    assert answer.refusal == (503, "UpstreamUnavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert proxy.applied(trouble) >= 3
    assert nothing_is_there(api)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_cloud_that_stumbles_twice_goes_unnoticed(api, cloud, proxy, fault):
    fault_on(proxy, cloud, fault, "flavors", first=2)
    assert posted(api, launch()).status == 201


def test_a_cloud_that_is_silent_is_not_waited_for_for_long(api, cloud, proxy):
    fault_on(proxy, cloud, stall(), "flavors")
    began = monotonic()
    assert posted(api, launch()).refusal == (503, "UpstreamUnavailable")
    assert monotonic() - began < 25


def test_a_mistake_is_told_even_if_something_else_could_not_be_checked(api, cloud, proxy):
    fault_on(proxy, cloud, status(500), "flavors")
    assert len(problems(posted(api, launch(imageRef="1111")))) == 1


def test_limits_that_cannot_be_had_are_left_to_nova(api, cloud, proxy):
    fault_on(proxy, cloud, status(500), "limits")
    assert posted(api, launch(personality=files(*[2000] * 6))).status == 201
    assert len(problems(posted(api, launch(personality=holding("abc"))))) == 1


@pytest.mark.parametrize("codes", [(500, 401), (401, 500), (500, 500), (401, 401)], ids=str)
def test_an_identity_that_stumbles_twice_goes_unnoticed(api, cloud, codes):
    cloud.stutter_identity(*codes)
    assert posted(api, launch()).status == 201


@pytest.mark.parametrize("code", [401, 500])
def test_an_identity_that_lets_nobody_in_is_no_mistake(api, cloud, code):
    trouble = cloud.fail_identity(code)
    assert posted(api, launch(imageRef="1111")).refusal == (503, "UpstreamUnavailable")
    cloud.heal_identity(trouble)
    assert nothing_is_there(api)
    assert posted(api, launch()).status == 201


def test_a_mistake_is_told_before_a_missing_group(api):
    assert len(problems(api("PUT", "/groups/none/launch", launch(flavorRef="8888")))) == 1
    assert api("PUT", "/groups/none/launch", launch()).refusal == (404, "NoSuchScalingGroupError")


@pytest.mark.parametrize(
    ("most", "more"),
    [
        (launch(name="n" * 244), launch(name="n" * 245)),
        (
            launch(metadata={f"k{number}": "" for number in range(36)}),
            launch(metadata={f"k{number}": "" for number in range(37)}),
        ),
        (
            launch([LB, LB | {"port": 81}], metadata={f"k{number}": "" for number in range(35)}),
            launch([LB, LB | {"loadBalancerId": 1}], metadata={f"k{number}": "" for number in range(35)}),
        ),
    ],
    ids=["name", "metadata", "balancers"],
)
def test_name_and_metadata_must_leave_room_for_what_otter_adds(api, group, most, more):
    assert posted(api, most).status == 201
    assert posted(api, more).refusal == (400, "ValidationError")
    assert api("PUT", link(group) + "launch", more).refusal == (400, "ValidationError")
