"""The API as a client without manners sees it: every request is sent as it is, every answer is looked at whole."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from attrs import field, frozen

from tests.rig.processes import send
from tests.walks.documents import group_body

SUCCESS_KEYS = {
    "group",
    "groups",
    "policy",
    "policies",
    "webhook",
    "webhooks",
    "groupConfiguration",
    "launchConfiguration",
}


@frozen
class Answer:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and ``type`` of an error, which is one in every respect."""
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-response-id"]
        assert not SUCCESS_KEYS & self.document.keys()
        error = self.document["error"]
        assert error.keys() == {"type", "code", "message", "details"}
        assert error["code"] == self.status
        return self.status, error["type"]


@frozen
class Api:
    """
    :ivar root: ``http://.../v1.0/<tenant>``.
    """

    root: str

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """
        :param path: within the tenant, or a whole URL.
        :param body: bytes go out as they are, anything else but None as JSON.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Answer(*send(method, self.url(path), body, timeout=30, headers=named))

    def url(self, path: str) -> str:
        return path if path.startswith("http") else self.root + path

    def create(self, url: str, *documents: Any) -> list[Any]:
        """What was made in a collection, such as ``link(policy) + "webhooks"``."""
        answer = self("POST", url, list(documents))
        assert answer.status == 201, answer
        [created] = answer.document.values()
        return created

    def create_group(self, *policies: Any, **config: Any) -> dict:
        """The manifest of a new group."""
        answer = self("POST", "/groups", group_body(*policies, **config))
        assert answer.status == 201, answer
        return answer.document["group"]

    def state(self, group: Mapping[str, Any]) -> dict:
        return self("GET", link(group) + "state").document["group"]

    def desired(self, group: Mapping[str, Any]) -> int:
        return self.state(group)["desiredCapacity"]

    def execute(self, policy: Mapping[str, Any]) -> int:
        """The status."""
        return self("POST", link(policy) + "execute").status


def link(document: Mapping[str, Any], rel: str = "self") -> str:
    """A link of a group, policy or webhook; it ends with a slash."""
    [href] = [each["href"] for each in document["links"] if each["rel"] == rel]
    return href


def sent_raw(root: str, request: bytes) -> Answer:
    """What comes back for exactly these bytes."""
    parts = urlsplit(root)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.connect()
    try:
        connection.sock.sendall(request)
        response = connection.response_class(connection.sock)
        response.begin()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()
