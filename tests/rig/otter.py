"""
otter as its users run it: a twistd process with a configuration file, a store of its own, and an HTTP client for it.

    otter = Otter(tmp_path, mimic.identity_url, selfheal={"interval": 1})
    otter.start()
    group = otter.create_group("t1", least=2, lb_ids=[cloud.create_balancer()], policies=[{"name": "up", "change": 3}])
    assert otter.hit(group.webhooks["up"]) == 202
    until(lambda: otter.state(group.url)["activeCapacity"] == 5)
    otter.kill()
    otter.start()   # the same port, the same data; so does otter.restart()
    otter.stop()
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from otter.config import laid_over
from tests.rig.mimic import REGION
from tests.rig.processes import HERE, REPOSITORY, Process, call, free_port

Json = dict[str, Any]

TIMES = {"interval": 1, "patience": 2, "send_window": 3, "resolve_timeout": 9}
PROBES = {"error_probe": 3, "longest_error_probe": 6}
QUICK: Json = {"region": REGION, "cloud": {"timeout": 5}, "converger": TIMES | PROBES, "selfheal": {"interval": 2}}
"""A configuration for tests that do not want to wait; otter refuses a resolve_timeout <= send_window + cloud.timeout."""


BOOT: Json = {"imageRef": "", "block_device_mapping": []}
"""From a volume: the ids of Mimic's images are new each time that it starts."""
WATCH = REPOSITORY / "tests/rig/reached"
"""On a process's path, it makes the process tell what it reaches; see ``sitecustomize`` there."""


class Refused(AssertionError):
    """An answer that was not expected; ``status`` and ``answer`` say which."""

    def __init__(self, request: str, status: int, answer: Any) -> None:
        super().__init__(f"{request}: {status} {answer}")
        self.status, self.answer = status, answer


@frozen
class OwnedGroup:
    """
    A group as its owner knows it.

    :ivar url: ``.../v1.0/<tenant>/groups/<id>``.
    :ivar policies: the policies' names -> URLs; ``/execute`` behind one executes it.
    :ivar webhooks: the policies' names -> capability URL of the first webhook, for ``hit``; those that have one.
    """

    tenant: str
    id: str
    url: str
    policies: Mapping[str, str]
    webhooks: Mapping[str, str]


class Client:
    """
    What a user may ask an otter for. Whoever inherits says where it is.

    :ivar root: ``http://.../v1.0``.
    :ivar timeout: seconds for an answer.
    """

    root: str
    timeout: float = 30.0

    def ask(self, method: str, url: str, body: Any = None, expected: Sequence[int] = (200, 201, 202, 204)) -> Any:
        """The answer's JSON. :raises Refused: another status. :raises OSError, HTTPException: no answer at all."""
        status, answer = call(method, url, body, timeout=self.timeout)
        if status not in expected:
            raise Refused(f"{method} {url}", status, answer)
        return answer

    def create_group(self, tenant: str, *size: Any, **more: Any) -> OwnedGroup:
        """A new group; each of its policies has a webhook. The other arguments: see ``group_document``."""
        url = self.post_group(tenant, group_document(*size, **more))
        for policy_url in self.group(url).policies.values():
            self.add_webhook(policy_url)
        return self.group(url)

    def post_group(self, tenant: str, document: Mapping[str, Any]) -> str:
        """The URL of a new group, made from a document like those of ``group_document``."""
        return url_of(self.ask("POST", f"{self.root}/{tenant}/groups", document)["group"])

    def group(self, url: str) -> OwnedGroup:
        """The group as it is now."""
        group = self.ask("GET", f"{url}?webhooks=true")["group"]
        policies = group["scalingPolicies"]
        return OwnedGroup(
            tenant=url.split("/")[-3],
            id=group["id"],
            url=url,
            policies={policy["name"]: url_of(policy) for policy in policies},
            webhooks={
                policy["name"]: url_of(policy["webhooks"][0], "capability") for policy in policies if policy["webhooks"]
            },
        )

    def groups(self, tenant: str) -> list[Json]:
        """``id``, ``links`` and ``state`` of each (of the first hundred)."""
        return self.ask("GET", f"{self.root}/{tenant}/groups")["groups"]

    def state(self, url: str) -> Json:
        """``desiredCapacity``, ``activeCapacity``, ``pendingCapacity``, ``active``, ``status``, ``errors``, ..."""
        return self.ask("GET", f"{url}/state")["group"]

    def exists(self, url: str) -> bool:
        """Whether the group exists, as far as its owner is told."""
        return self.ask("GET", f"{url}/state", expected=(200, 404)).get("group") is not None

    def add_policy(self, url: str, **policy: Any) -> str:
        """The URL of a new policy of the group at ``url``: ``add_policy(url, name="down", change=-1)``."""
        return url_of(self.ask("POST", f"{url}/policies", [policy_document(policy)])["policies"][0])

    def add_webhook(self, policy_url: str, name: str = "hook") -> str:
        """The capability URL of a new webhook, for ``hit``."""
        return url_of(self.ask("POST", f"{policy_url}/webhooks", [{"name": name}])["webhooks"][0], "capability")

    def hit(self, capability_url: str) -> int:
        """The status; 202 does not say whether the policy did anything."""
        return call("POST", capability_url, timeout=self.timeout)[0]

    def execute(self, policy_url: str) -> int:
        """The status: 202, or 403 for a policy that may not or would not change anything."""
        return call("POST", f"{policy_url}/execute", timeout=self.timeout)[0]

    def resize(self, url: str, least: int, most: int) -> None:
        """Other bounds for the group."""
        config = self.ask("GET", f"{url}/config")["groupConfiguration"]
        self.ask("PUT", f"{url}/config", {**config, "minEntities": least, "maxEntities": most})

    def delete(self, url: str, force: bool = True) -> None:
        """Its servers go in the background. Without ``force``, only a group that wants no servers may be deleted."""
        self.ask("DELETE", f"{url}?force={str(force).lower()}")


class Otter(Client, Process):
    """
    An otter that is not started yet. ``start``, ``stop``, ``kill``, ``running``, ``pid``, ``log``: see ``Process``.

    :param folder: for its configuration, its data (``store``: the path of the SQLite file) and its log.
    :param config: laid over ``QUICK``, key by key: ``converger={"interval": 0.5}, cloud={"timeout": 2}``.
    """

    def __init__(self, folder: str | Path, identity_url: str, **config: Any) -> None:
        folder, port = Path(folder), free_port()
        self.store, file = folder / "otter.sqlite", folder / "otter.json"
        own = {
            "listen": f"tcp:{port}:interface={HERE}",
            "url_root": f"http://{HERE}:{port}",
            "identity": {"url": identity_url, "username": "otter", "password_file": str(folder / "password")},
            "store": {"path": str(self.store)},
            "secrets": {"key_file": str(folder / "keys.json")},
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "password").write_text("simulated clouds take any password")
        file.write_text(json.dumps(laid_over(laid_over(QUICK, own), config), indent=2))
        twistd = [str(REPOSITORY / ".venv/bin/twistd"), "--nodaemon", "--pidfile="]
        command = [*twistd, "--logger", "otter.logs.json_lines.observer", "otter", "--config", str(file)]
        super().__init__(command, f"http://{HERE}:{port}/health", folder / "otter.log")

    @property
    def root(self) -> str:
        return f"http://{HERE}:{self.port}/v1.0"

    def start(self, within: float = 30.0) -> Process:
        self.environment = watched(self.environment)
        return super().start(within)

    def restart(self) -> None:
        """Ends it in peace if it still runs, and starts it again."""
        self.stop()
        self.start()


def watched(environment: Mapping[str, str]) -> Mapping[str, str]:
    """For ``make dead-code``, the environment of a process that tells which functions it reaches; else as it is."""
    if "REACHED" not in os.environ or "REACHED" in environment:
        return environment
    folders = [str(WATCH), *filter(None, [environment.get("PYTHONPATH")])]
    return {**environment, "REACHED": os.environ["REACHED"], "PYTHONPATH": os.pathsep.join(folders)}


def group_document(
    least: int = 0, most: int = 10, lb_ids: Iterable = (), policies: Iterable[Json] = (), **server: Any
) -> Json:
    """
    What creating a group is asked with. Its cooldown is 0, and so are its policies'.

    :param lb_ids: balancers that the servers belong on, with port 80.
    :param policies: documents; ``{"name": "up", "change": 3}`` is enough.
    :param server: more of what Nova gets, such as ``metadata={...}`` or ``flavorRef="3"``; ``name`` is the group's too.
    """
    launched = {"name": "web", "flavorRef": "2", **BOOT, **server}
    balancers = [{"loadBalancerId": lb_id, "port": 80} for lb_id in lb_ids]
    config = {"name": launched["name"], "cooldown": 0, "minEntities": least, "maxEntities": most}
    return {
        "groupConfiguration": config,
        "launchConfiguration": {"type": "launch_server", "args": {"server": launched, "loadBalancers": balancers}},
        "scalingPolicies": [policy_document(policy) for policy in policies],
    }


def policy_document(policy: Mapping[str, Any]) -> Json:
    return {"cooldown": 0, "type": "webhook", **policy}


def url_of(document: Mapping[str, Any], rel: str = "self") -> str:
    return next(link["href"].rstrip("/") for link in document["links"] if link["rel"] == rel)
