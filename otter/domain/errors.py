"""What a user can be told was wrong with a request. ``rest.errors`` gives each a status and a ``type``."""


class OtterError(Exception):
    """A refusal; its text is meant for the user."""


class NoSuchScalingGroup(OtterError):
    def __init__(self, group_id):
        super().__init__(f"No such scaling group {group_id.group} for tenant {group_id.tenant}")


class NoSuchPolicy(OtterError):
    def __init__(self, group_id, policy_id):
        super().__init__(f"No such scaling policy {policy_id} for group {group_id.group} of tenant {group_id.tenant}")


class NoSuchWebhook(OtterError):
    def __init__(self, group_id, policy_id, webhook_id):
        super().__init__(
            f"No such webhook {webhook_id} for policy {policy_id} in group {group_id.group} of tenant {group_id.tenant}"
        )


class NoSuchServer(OtterError):
    def __init__(self, group_id, server_id):
        super().__init__(f"No server {server_id} in group {group_id.group} of tenant {group_id.tenant}")


class NoSuchCapability(OtterError):
    """Nobody is told: a capability URL answers the same whether or not it exists."""


class CannotExecutePolicy(OtterError):
    def __init__(self, group_id, policy_id, why):
        self.why = why
        super().__init__(f"Cannot execute policy {policy_id} of group {group_id.group}: {why}")


class GroupResting(OtterError):
    """The group is to be left alone."""


class GroupPaused(GroupResting):
    def __init__(self, group_id, what):
        super().__init__(f"Cannot {what} group {group_id.group} while it is paused; resume it first")


class TenantSuspended(GroupResting):
    def __init__(self, group_id, what):
        super().__init__(f"Cannot {what} group {group_id.group} while tenant {group_id.tenant} is suspended")


class BelowMinEntities(OtterError):
    def __init__(self, group_id, server_id, least):
        super().__init__(
            f"Group {group_id.group} would have fewer servers than minEntities ({least}) without server {server_id}; lower"
            " minEntities, or delete it with replace=true"
        )


class GroupNotEmpty(OtterError):
    def __init__(self, group_id, desired):
        super().__init__(
            f"Group {group_id.group} still has a desired capacity of {desired}; set maxEntities to 0, or delete it with"
            " force=true"
        )


class OverLimit(OtterError):
    """Too many of something. :ivar existing: how many there are. :ivar more: how many were to be added."""

    things = "things"

    def __init__(self, existing, more, most):
        super().__init__(f"{existing} {self.things} exist, and {more} more would be above the maximum of {most}")


class GroupsOverLimit(OverLimit):
    things = "scaling groups"


class PoliciesOverLimit(OverLimit):
    things = "policies"


class WebhooksOverLimit(OverLimit):
    things = "webhooks"


class InvalidJson(OtterError):
    """The body is not JSON."""


class Invalid(OtterError):
    """The body is JSON, but not what the schema asks for."""


class InvalidLaunchConfiguration(OtterError):
    """The cloud does not have what servers are to be made from. :param problems: a sentence for each field."""

    def __init__(self, problems):
        super().__init__("\n".join(("Following problems with launch configuration:", *problems)))


class BodyTooLarge(OtterError):
    def __init__(self, most):
        super().__init__(f"The body is longer than {most} bytes")


class InvalidQueryArgument(OtterError):
    """A parameter in the URL has a value that it may not have."""


class InvalidIdempotencyKey(OtterError):
    """The key has a form that none may have."""


class PreconditionFailed(OtterError):
    def __init__(self):
        super().__init__("What is stored is not what If-Match names; read it again")


class InvalidMinEntities(OtterError):
    """minEntities is above maxEntities."""


class InvalidCredentials(OtterError):
    """Nobody knows who asks."""


class Forbidden(OtterError):
    """It is known who asks, and they may not."""


class NotProvided(OtterError):
    """There is such a resource, but not this way of looking at it."""


class UpstreamUnavailable(OtterError):
    """A service of the cloud does not say what has to be known; nothing was changed, and asking again later may help."""


class StoreUnavailable(OtterError):
    """The store cannot be read, or nothing was stored; asking again later may help."""
