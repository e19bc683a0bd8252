"""What is said to users names what they asked about."""

import pytest

from otter.domain.errors import (
    BelowMinEntities,
    BodyTooLarge,
    CannotExecutePolicy,
    GroupNotEmpty,
    GroupPaused,
    GroupsOverLimit,
    InvalidLaunchConfiguration,
    NoSuchPolicy,
    NoSuchScalingGroup,
    NoSuchServer,
    NoSuchWebhook,
    PoliciesOverLimit,
    PreconditionFailed,
    TenantSuspended,
    WebhooksOverLimit,
)
from tests.worlds import GROUP_ID


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoSuchScalingGroup(GROUP_ID), ["group g1", "tenant 111"]),
        (NoSuchPolicy(GROUP_ID, "p1"), ["policy p1", "group g1", "tenant 111"]),
        (NoSuchWebhook(GROUP_ID, "p1", "w1"), ["webhook w1", "policy p1", "group g1", "tenant 111"]),
        (NoSuchServer(GROUP_ID, "s1"), ["server s1", "group g1", "tenant 111"]),
        (CannotExecutePolicy(GROUP_ID, "p1", "it is too soon"), ["policy p1", "group g1", "it is too soon"]),
        (GroupPaused(GROUP_ID, "converge"), ["Cannot converge group g1", "resume"]),
        (TenantSuspended(GROUP_ID, "converge"), ["Cannot converge group g1", "tenant 111 is suspended"]),
        (BelowMinEntities(GROUP_ID, "s1", 3), ["Group g1", "minEntities (3)", "server s1", "replace=true"]),
        (GroupNotEmpty(GROUP_ID, 4), ["Group g1", "capacity of 4", "force=true"]),
        (GroupsOverLimit(8, 1, 9), ["8 scaling groups", "1 more", "maximum of 9"]),
        (PoliciesOverLimit(8, 2, 9), ["8 policies", "2 more", "maximum of 9"]),
        (WebhooksOverLimit(8, 2, 9), ["8 webhooks", "2 more", "maximum of 9"]),
        (InvalidLaunchConfiguration(["no image", "no flavor"]), ["no image\nno flavor"]),
        (BodyTooLarge(1024), ["1024 bytes"]),
        (PreconditionFailed(), ["If-Match"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_names_what_it_is_about(error, words):
    assert [word for word in words if word not in str(error)] == []
