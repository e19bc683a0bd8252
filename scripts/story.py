"""
The story of a group, from its first two servers to its end, step by step.

The demo tells it; the crash points disturb it. So whoever acts in it gives up on otter only when a step's time is over: while
otter is dead they wait, and if an answer got lost they look whether their request took effect before they ask again.
"""

import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import URLError

from attrs import define, field, frozen

from tests.rig.mimic import Cloud, address_of
from tests.rig.otter import Client, OwnedGroup, Refused, group_document

Found = TypeVar("Found")

LOOK_EVERY = 0.05
"""Seconds."""
DRAINING_TIMEOUT = 30
"""Seconds; the least that may be asked for."""
BROKEN_OFF = (ConnectionError, URLError, HTTPException)
"""There was no connection, or it ended without an answer: otter is dead. That it is slow is another thing."""


class Missed(Exception):
    """A step of the story was not reached; the text says which, and what there was to be seen instead."""


@frozen
class Elsewhere(Client):
    """An otter that somebody else looks after."""

    root: str
    timeout: float = 10.0

    def ask(self, method: str, url: str, *more: Any, **named: Any) -> Any:
        try:
            return super().ask(method, url, *more, **named)
        except TimeoutError as error:
            raise TimeoutError(f"otter did not answer {method} {url} within {self.timeout:g} s") from error


@frozen
class Sight:
    """
    What otter says and what the cloud shows, at one moment.

    :ivar desired: how many servers otter wants there to be; None: to its owner, the group does not exist.
    :ivar active: how many otter counts as in service.
    :ivar servers: the ids of the tenant's servers.
    :ivar addresses: of the servers.
    :ivar served: the addresses that the load balancer sends traffic to.
    """

    desired: int | None
    active: int
    servers: frozenset[str]
    addresses: frozenset[str]
    served: frozenset[str]

    def settled(self, size: int) -> bool:
        """All agree: there are ``size`` servers, and the load balancer serves just these. No group has the size 0."""
        wanted = (size or None, size, size)
        return (self.desired, self.active, len(self.servers)) == wanted and self.served == self.addresses

    def __str__(self) -> str:
        if self.desired is None and not (self.servers or self.served):
            return "no group, no servers, an empty load balancer"
        group = "no group" if self.desired is None else f"wanted: {self.desired}, in service: {self.active}"
        dead = len(self.served - self.addresses)
        nodes = f"served: {len(self.served & self.addresses)}" + (f", dead nodes: {dead}" if dead else "")
        return f"{group}, servers: {len(self.servers)}, {nodes}"


@define(eq=False)
class Scene:
    """
    One telling of the story: who acts, upon what, and what came of it so far.

    :ivar client: what the group's owner asks otter with.
    :ivar cloud: the owner's tenant, with nothing in it. It is seen, and changed, behind otter's back.
    :ivar say: where the story is told.
    :ivar lost: requests that otter acknowledged, and that had not taken effect when otter was asked next.
    :ivar deadline: when the present step must be over (monotonic seconds).
    """

    client: Client
    cloud: Cloud
    say: Callable[[str], None]
    lost: list[str] = field(init=False, factory=list)
    deadline: float = field(init=False, default=0.0)
    lb_id: int = field(init=False)
    group: OwnedGroup = field(init=False)

    def ask_for(self, what: str, ask: Callable[[], object], look: Callable[[], Found | None]) -> Found:
        """
        Have something done, once; what ``look`` finds then.

        An answer that got lost says nothing. So ``ask`` is repeated only if ``look`` finds nothing; and that looks at an
        otter that was started after the one that was asked, so nobody works on the request any more.

        :raises TimeoutError: otter did not answer, or the step's time is over.
        """
        while True:
            acknowledged = self.attempt(ask)
            found = self.patiently(look)
            if found is not None:
                return found
            if acknowledged:
                self.lost.append(what)
            if time.monotonic() > self.deadline:
                raise TimeoutError(f"otter was asked for {what}, but it did not take effect")

    def attempt(self, ask: Callable[[], object]) -> bool:
        """Whether ``ask`` got a good answer; if not, otter is dead, or could not store the request. :raises Refused:"""
        try:
            ask()
        except BROKEN_OFF:
            return False
        except Refused as refused:
            if refused.status != 503:
                raise
            return False
        return True

    def patiently(self, look: Callable[[], Found]) -> Found:
        """What ``look`` finds as soon as otter answers. :raises TimeoutError: the step's time is over."""
        while True:
            try:
                return look()
            except BROKEN_OFF as error:
                if time.monotonic() > self.deadline:
                    raise TimeoutError(f"otter, or its cloud, does not answer: {error}") from error
                time.sleep(LOOK_EVERY)

    def sight(self) -> Sight:
        servers = self.cloud.servers()
        served = self.cloud.served(self.lb_id)
        group = self.client.state(self.group.url) if self.client.exists(self.group.url) else {}
        return Sight(
            desired=group.get("desiredCapacity"),
            active=group.get("activeCapacity", 0),
            servers=frozenset(server["id"] for server in servers),
            addresses=frozenset(filter(None, map(address_of, servers))),
            served=frozenset(served),
        )

    def wait_until_settled(self, size: int) -> Sight:
        """:raises TimeoutError: the step's time is over; says what there is instead."""
        while not (seen := self.patiently(self.sight)).settled(size):
            if time.monotonic() > self.deadline:
                raise TimeoutError(f"there should be {size} servers, all of them served; but {seen}")
            time.sleep(LOOK_EVERY)
        return seen


@frozen
class Step:
    """
    :ivar size: how many servers there are, all of them served, when it is reached; None: there is no group yet.
    :ivar made: how many servers are made for it.
    :ivar within: seconds.
    """

    title: str
    act: Callable[[Scene], None]
    size: int | None
    made: int
    within: float


def make_balancer(scene: Scene) -> None:
    scene.lb_id = scene.cloud.create_balancer()


def make_group(scene: Scene) -> None:
    client, tenant = scene.client, scene.cloud.tenant
    policies = [{"name": "three more", "change": 3}, {"name": "just one", "desiredCapacity": 1}]
    document = group_document(2, 10, [scene.lb_id], policies)

    def group_url() -> str | None:
        return next((link["href"].rstrip("/") for group in client.groups(tenant) for link in group["links"]), None)

    url = scene.ask_for("the group", lambda: client.post_group(tenant, document), group_url)
    policy_url = scene.patiently(lambda: client.group(url)).policies["three more"]
    scene.ask_for(
        "the webhook",
        lambda: client.add_webhook(policy_url),
        lambda: client.group(url).webhooks.get("three more"),
    )
    scene.group = scene.patiently(lambda: client.group(url))


def ask_for_size(scene: Scene, size: int, url: str) -> None:
    """Execute a policy by one of its URLs. If it took effect, ``size`` is wanted."""

    def wanted() -> bool | None:
        return scene.client.state(scene.group.url)["desiredCapacity"] == size or None

    scene.ask_for(f"{size} servers", lambda: scene.client.ask("POST", url, expected=(202,)), wanted)


def hit_webhook(scene: Scene) -> None:
    ask_for_size(scene, 5, scene.group.webhooks["three more"])


def delete_server(scene: Scene) -> None:
    victim = min(server["id"] for server in scene.cloud.servers())
    scene.cloud.delete_server(victim)
    scene.say(f"   It was {victim}.")


def take_node_off(scene: Scene) -> None:
    node = min(scene.cloud.nodes(scene.lb_id), key=lambda node: node["address"])
    scene.cloud.remove_node(scene.lb_id, node["id"])
    scene.say(f"   It was the one of {node['address']}.")


def take_out(scene: Scene, replace: bool) -> str:
    """Have otter take a server out of the group; its id."""
    client, url = scene.client, scene.group.url
    victim = min(server["id"] for server in scene.cloud.servers())
    request = f"{url}/servers/{victim}?replace={str(replace).lower()}"

    def is_out() -> bool | None:
        return victim not in {server["id"] for server in client.state(url)["active"]} or None

    scene.ask_for(f"the end of {victim}", lambda: client.ask("DELETE", request, expected=(202, 404)), is_out)
    return victim


def replace_server(scene: Scene) -> None:
    take_out(scene, replace=True)


def drain_server(scene: Scene) -> None:
    """While servers drain; afterwards they leave at once again."""
    url = f"{scene.group.url}/launch"
    launch = scene.client.ask("GET", url)["launchConfiguration"]
    patient = {**launch, "args": {**launch["args"], "draining_timeout": DRAINING_TIMEOUT}}
    scene.client.ask("PUT", url, patient)
    before = {server["id"]: address_of(server) for server in scene.cloud.servers()}
    victim = take_out(scene, replace=False)

    def condition() -> str | None:
        return next((n["condition"] for n in scene.cloud.nodes(scene.lb_id) if n["address"] == before[victim]), None)

    for awaited, meaning in (("DRAINING", "takes no new connections"), (None, "is off the load balancer")):
        while (seen := condition()) != awaited:
            if time.monotonic() > scene.deadline:
                raise TimeoutError(f"the node of {victim} is {seen}")
            time.sleep(LOOK_EVERY)
        scene.say(f"   {victim} {meaning}.")
    scene.client.ask("PUT", url, launch)


def shrink(scene: Scene) -> None:
    """The least size bounds what a policy may do, so it goes down first."""
    client, url = scene.client, scene.group.url

    def lowered() -> bool | None:
        return client.ask("GET", f"{url}/config")["groupConfiguration"]["minEntities"] == 1 or None

    scene.ask_for("the least size of 1", lambda: client.resize(url, 1, 10), lowered)
    ask_for_size(scene, 1, f"{scene.group.policies['just one']}/execute")


def delete_group(scene: Scene) -> None:
    client, url = scene.client, scene.group.url
    scene.ask_for("the end of the group", lambda: client.delete(url), lambda: not client.exists(url) or None)


STEPS = (
    Step("A load balancer is created.", make_balancer, size=None, made=0, within=5),
    Step("A group of 2 to 10 servers behind it is created.", make_group, size=2, made=2, within=15),
    Step("A webhook that adds 3 is hit.", hit_webhook, size=5, made=3, within=15),
    Step("A server is deleted behind otter's back: it is replaced.", delete_server, size=5, made=1, within=60),
    Step("A node is taken off the load balancer: it comes back.", take_node_off, size=5, made=0, within=60),
    Step("A server is taken out of the group: another takes its place.", replace_server, size=5, made=1, within=30),
    Step("The least size is lowered; a policy sets the size to 1.", shrink, size=1, made=0, within=15),
    Step("The group is deleted: nothing is left of it.", delete_group, size=0, made=0, within=15),
)
DRAINING = Step(
    "Another is taken out, after 30 s for its connections: the group is smaller by one.", drain_server, 4, 0, 90
)
LONG_STEPS = (*STEPS[:-2], DRAINING, *STEPS[-2:])
"""With what takes its time: 30 s is the least that can be asked for."""


def tell(scene: Scene, steps: tuple[Step, ...] = STEPS, by: float = float("inf")) -> None:
    """
    Go through the ``steps``, each to be reached in its own time, and all of them in time.

    :param by: when all must be over (monotonic seconds).
    :raises Missed:
    """
    for number, step in enumerate(steps, 1):
        scene.say(f"{number}. {step.title}")
        began = time.monotonic()
        scene.deadline = min(began + step.within, by)
        try:
            step.act(scene)
            seen = "" if step.size is None else scene.wait_until_settled(step.size)
        except (AssertionError, OSError, HTTPException) as error:
            after = time.monotonic() - began
            raise Missed(f'Step {number}, "{step.title}", was not reached after {after:.1f} s: {error}') from error
        scene.say(f"   {seen or 'It is empty.'}".ljust(60) + f"{time.monotonic() - began:6.1f} s")
