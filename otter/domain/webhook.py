"""Webhooks, and the capabilities that they give away."""

import hashlib
import hmac
from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Webhook:
    """
    A named right to execute one policy without logging in.

    Its capability is not stored anywhere: it is derived from a service key whenever it is to be shown.

    :ivar key_id: which of the service keys it was made with; it stays valid when newer keys are added.
    :ivar rotation: counts how often the owner asked for a new capability.
    """

    id: str
    key_id: str
    rotation: int = 0
    document: Mapping = field(factory=dict, eq=False, repr=False)


def webhook_of(webhook_id: str, key_id: str, document: Mapping, rotation: int = 0) -> Webhook:
    """The webhook a valid webhook document describes; defaults filled in, as clients will read them."""
    return Webhook(webhook_id, key_id, rotation, {"metadata": {}, **document})


def capability_of(webhook: Webhook, key: bytes) -> str:
    """The 64 hex digits that execute the webhook's policy."""
    text = f"{webhook.id}:{webhook.rotation}".encode()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def digest_of(capability: str) -> str:
    """What is stored in place of a capability: whoever reads the store must not be able to execute with it."""
    return hashlib.sha256(capability.encode("utf-8", "replace")).hexdigest()


@frozen
class ServiceKeys:
    """
    What capabilities are derived from.

    :ivar keys: key id -> key; old ones stay, so that the capabilities made with them stay.
    :ivar newest: the id of the key that new webhooks get.
    """

    keys: Mapping[str, bytes] = field(repr=False)
    newest: str

    def capability_of(self, webhook: Webhook) -> str:
        return capability_of(webhook, self.keys[webhook.key_id])
