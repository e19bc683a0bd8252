"""Launch configurations: what they may be, and that they come back as they were sent. (Contract, 9.3 and 12.)"""

import json

import pytest

from tests.walks.api import link
from tests.walks.documents import ABSENT, PUBLIC_NET, SERVICE_NET, group_body, launch

LB = {"loadBalancerId": 9099, "port": 80}
IMAGE = "an image of Mimic's"
"""Where a test knows Mimic, its id takes this place."""
MAPPING = [{"device_name": "vda", "volume_id": "x"}]


def from_image(**server):
    return launch(**{"imageRef": IMAGE, "block_device_mapping": ABSENT, **server})


GOOD = [
    launch(),
    from_image(),
    launch(name=ABSENT),
    launch(name=None, key_name=7, user_data={"odd": []}, config_drive="x", unknown=[1, None, {"deep": True}]),
    launch(metadata={"a-B_1:. ": "v" * 255, "k" * 255: ""}),
    from_image(block_device_mapping=MAPPING),
    launch(block_device_mapping=MAPPING, imageRef=""),
    launch(block_device_mapping=MAPPING, imageRef=None),
    launch(block_device_mapping=MAPPING, imageRef=ABSENT),
    launch(block_device_mapping=[], imageRef=ABSENT),
    from_image(block_device_mapping_v2=MAPPING, imageRef=ABSENT),
    from_image(block_device_mapping_v2="with an image nobody looks"),
    launch(personality=[]),
    launch(personality=[{"path": "p" * 255, "contents": "aGVsbG8=", "more": 1}]),
    launch([]),
    launch([LB] * 1 + [{"loadBalancerId": "8315", "port": 80, "type": "CloudLoadBalancer"}]),
    launch([{"loadBalancerId": 0, "port": -1}, {"loadBalancerId": -5, "port": 99999}]),
    launch([{"loadBalancerId": 1, "port": 80}, {"loadBalancerId": "1", "port": 80}]),
    launch([LB, LB | {"type": "CloudLoadBalancer"}]),
    launch([LB | {"port": port} for port in range(5)]),
    launch([LB], networks=[PUBLIC_NET, SERVICE_NET]),
    launch([LB], networks=None),
    launch([], networks=[]),
    launch(networks="without a balancer nobody looks"),
]
BAD = [
    launch(flavorRef=ABSENT),
    launch(flavorRef=2),
    launch(flavorRef=""),
    launch(flavorRef="  "),
    launch(flavorRef="a b"),
    launch(flavorRef=None),
    from_image(imageRef=ABSENT),
    from_image(imageRef=""),
    from_image(imageRef="  "),
    from_image(imageRef=None),
    from_image(imageRef=7),
    launch(imageRef="  ", block_device_mapping=MAPPING),
    launch(block_device_mapping="x"),
    launch(block_device_mapping=["x"], imageRef=ABSENT),
    from_image(block_device_mapping_v2=["x"], imageRef=ABSENT),
    launch(metadata="x"),
    launch(metadata={"k": 1}),
    launch(metadata={"": "v"}),
    launch(metadata={"k" * 256: "v"}),
    launch(metadata={"k": "v" * 256}),
    launch(metadata={"\u00e9": "v"}),
    launch(metadata={"a/b": "v"}),
    launch(metadata={"line\n": "v"}),
    launch(personality=None),
    launch(personality="abc"),
    launch(personality=0),
    launch(personality={"path": "/x", "contents": "eA=="}),
    launch(personality=[{"path": "/x"}]),
    launch(personality=[{"contents": "eA=="}]),
    launch(personality=[{"path": "", "contents": "eA=="}]),
    launch(personality=[{"path": "p" * 256, "contents": "eA=="}]),
    launch(personality=[{"path": "/x", "contents": 1}]),
    launch({}),
    launch([LB, LB]),
    launch([LB | {"port": port} for port in range(6)]),
    launch([LB | {"type": "cloudloadbalancer"}]),
    launch([LB | {"type": "rackconnectv3"}]),
    launch([LB | {"type": ""}]),
    launch([LB | {"type": None}]),
    launch([LB | {"type": "Unknown"}]),
    launch([{"type": "RackConnectV3", "loadBalancerId": "b1f9c7de-0b7e-4d0f-8a43-9d2a5f1c7e90", "port": 80}]),
    launch([LB | {"port": "80"}]),
    launch([LB | {"port": 80.0}]),
    launch([LB | {"loadBalancerId": 1.5}]),
    launch([LB | {"loadBalancerId": "a b"}]),
    launch([LB | {"loadBalancerId": ""}]),
    launch([LB | {"loadBalancerId": None}]),
    launch([LB | {"weight": 1}]),
    launch([{"port": 80}]),
    launch([{"loadBalancerId": 5}]),
    launch([7]),
    launch([LB], networks=[]),
    launch([LB], networks=[PUBLIC_NET]),
    launch([LB], networks=[SERVICE_NET | {"port": "x"}]),
    launch([LB], networks=5),
    launch([LB], networks="11111111-1111-1111-1111-111111111111"),
    launch([LB], networks=SERVICE_NET),
    {"type": "launch_servers", "args": launch()["args"]},
    {"type": "launch_server"},
    {"args": launch()["args"]},
    {"type": "launch_server", "args": {}},
    {"type": "launch_server", "args": {"server": None}},
    {"type": "launch_server", "args": {**launch()["args"], "stack": {}}},
    {**launch(), "more": 1},
    {},
    [],
]


def short(document):
    return repr(document).replace("'type': 'launch_server', 'args': {'server': {'name': 'web', ", "")[:70]


@pytest.mark.parametrize("document", GOOD, ids=short)
def test_rows_39_41_and_46_a_good_launch_configuration_is_read_back_verbatim(api, group, cloud, document):
    document = json.loads(json.dumps(document).replace(IMAGE, cloud.image_id()))
    assert api("PUT", link(group) + "launch", document).status == 204
    assert api("GET", link(group) + "launch").document == {"launchConfiguration": document}
    made = api("POST", "/groups", group_body() | {"launchConfiguration": document})
    assert made.document["group"]["launchConfiguration"] == document


@pytest.mark.parametrize("document", BAD, ids=short)
def test_rows_40_42_43_and_45_a_bad_launch_configuration_is_refused_on_create_and_put(api, group, document):
    made = api("POST", "/groups", group_body() | {"launchConfiguration": document})
    assert made.refusal == (400, "ValidationError")
    assert api("PUT", link(group) + "launch", document).refusal == (400, "ValidationError")
    assert api("GET", link(group) + "launch").document == {"launchConfiguration": launch()}


@pytest.mark.parametrize("seconds", [30, 30.5, 3600])
def test_a_draining_timeout_is_kept(api, group, seconds):
    document = launch()
    document["args"]["draining_timeout"] = seconds
    assert api("PUT", link(group) + "launch", document).status == 204
    assert api("GET", link(group) + "launch").document == {"launchConfiguration": document}


@pytest.mark.parametrize("seconds", [29.9, 3600.5, "60", True, None])
def test_a_bad_draining_timeout_is_refused(api, group, seconds):
    document = launch()
    document["args"]["draining_timeout"] = seconds
    assert api("PUT", link(group) + "launch", document).refusal == (400, "ValidationError")


def test_metadata_of_null_is_dropped_and_nothing_else(api, group):
    document = launch(metadata=None, networks=None, key_name=None)
    assert api("PUT", link(group) + "launch", document).status == 204
    shown = api("GET", link(group) + "launch").document["launchConfiguration"]
    assert shown == launch(networks=None, key_name=None)


def test_row_44_optional_parts_that_are_not_sent_are_gone(api, group):
    assert api("PUT", link(group) + "launch", launch([LB], metadata={"a": "b"})).status == 204
    assert api("PUT", link(group) + "launch", launch(name=ABSENT)).status == 204
    shown = api("GET", link(group) + "launch").document["launchConfiguration"]
    assert shown == launch(name=ABSENT)


def test_numbers_keep_their_spelling(api, group):
    body = b"""{"type": "launch_server", "args": {"server": {"flavorRef": "2", "block_device_mapping": [],
        "big": 1180591620717411303424, "one": 1, "one and a bit": 1.0, "small": 1e-7, "yes": true}}}"""
    assert api("PUT", link(group) + "launch", body).status == 204
    shown = api("GET", link(group) + "launch").document["launchConfiguration"]["args"]["server"]
    assert repr(shown["big"]) == "1180591620717411303424"
    assert [repr(shown[name]) for name in ("one", "one and a bit", "small", "yes")] == ["1", "1.0", "1e-07", "True"]
