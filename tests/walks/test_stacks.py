"""Groups of stacks: kept as they were sent; none are made yet. (Contract, 9.4.)"""

import pytest

from tests.rig.processes import until
from tests.walks.api import link
from tests.walks.documents import config, launch

GOOD = [
    {"template": "heat_template_version: 2013-05-23"},
    {"template": {"heat_template_version": "2013-05-23"}, "parameters": {"flavor": "2"}, "timeout_mins": 7.5},
    {"template_url": "https://example.com/t", "disable_rollback": True, "environment": {}, "files": {"a": "b"}},
]
BAD = [
    {},
    {"template": "t", "template_url": "u"},
    {"template": 5},
    {"template": "t", "stack_name": "mine"},
    {"template": "t", "tags": "mine"},
    {"template": "t", "timeout_mins": "60"},
    None,
]


def stack_launch(stack):
    return {"type": "launch_stack", "args": {"stack": stack}}


def group_of(stack, **more):
    return {"groupConfiguration": config(**more), "launchConfiguration": stack_launch(stack)}


@pytest.mark.parametrize("stack", GOOD, ids=repr)
def test_a_good_stack_is_read_back_as_it_was_sent(api, stack):
    made = api("POST", "/groups", group_of(stack)).document["group"]
    assert api("GET", link(made) + "launch").document == {"launchConfiguration": stack_launch(stack)}
    assert api("PUT", link(made) + "launch", launch()).status == 204
    assert api("PUT", link(made) + "launch", stack_launch(stack)).status == 204


@pytest.mark.parametrize("stack", BAD, ids=repr)
def test_a_bad_stack_is_refused_wherever_it_is_sent(api, group, stack):
    assert api("POST", "/groups", group_of(stack)).refusal == (400, "ValidationError")
    assert api("PUT", link(group) + "launch", stack_launch(stack)).refusal == (400, "ValidationError")


@pytest.mark.parametrize(
    "args", [{}, {"stack": GOOD[0], "server": {}}, {"stack": GOOD[0], "loadBalancers": []}, {"server": {}}], ids=repr
)
def test_what_does_not_go_with_a_stack_is_refused(api, args):
    body = {"groupConfiguration": config(), "launchConfiguration": {"type": "launch_stack", "args": args}}
    assert api("POST", "/groups", body).refusal == (400, "ValidationError")


def test_a_group_that_wants_stacks_says_that_there_are_none_and_can_be_deleted(api):
    made = api("POST", "/groups", group_of(GOOD[0], minEntities=2)).document["group"]
    [error] = until(lambda: api.state(made).get("errors"), 30, 0.1, "ERROR")
    assert "stacks" in error["message"]
    assert api("DELETE", link(made) + "?force=true").status == 204
