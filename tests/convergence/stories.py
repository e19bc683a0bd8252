"""Stories of one group in a cloud where anything may happen at any moment, even in the middle of a pass."""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from itertools import count
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, ensureDeferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from otter.cloud.errors import ApiError, Unreachable
from otter.cloud.nova import theirs
from otter.cloud.request import CloudRequest
from otter.convergence.iterate import Pass
from otter.convergence.scope import Always, IScope
from otter.domain.errors import OtterError
from otter.domain.group import Group
from otter.domain.limits import Limits
from otter.operations.engine import IEngine
from otter.operations.groups import Groups
from otter.operations.launches import Launches
from otter.operations.servers import Servers
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.convergence.promises import (
    CLOSED,
    GOING,
    GONE,
    Broken,
    address_of,
    check_end,
    check_now,
    check_request,
    waiting,
    working,
)
from tests.worlds import GROUP_ID, Even, ToyCloud, a_group

LOCKED = ApiError(
    422, "{\"message\": \"Load Balancer '7' has a status of 'PENDING_UPDATE' and is considered immutable\"}"
)
QUOTA = ApiError(403, '{"forbidden": {"message": "Quota exceeded for ram: Requested 1"}}')
QUIET = ToyCloud()
SOON = 120.0
"""Seconds that a group takes at most when nothing is in its way: those of draining, and of some looks."""


def about(error: Exception, is_meant: Callable[[CloudRequest], bool]) -> Mapping[str, Any]:
    return {"refuse": lambda request: error if is_meant(request) else None}


def is_change(request: CloudRequest) -> bool:
    return request.method != "GET"


def is_show(request: CloudRequest) -> bool:
    return request.method == "GET" and request.path.startswith("servers/s")


FAULTS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "listing lags": {"lagging": True},
    "answers get lost": {"answers_get_lost": True},
    "listing lags and answers get lost": {"lagging": True, "answers_get_lost": True},
    "changes refused": about(LOCKED, is_change),
    "requests get lost": about(Unreachable("no answer"), is_change),
    "over quota": about(QUOTA, lambda request: request.path == "servers"),
    "creates fail": about(ApiError(500, ""), lambda request: request.path == "servers"),
    "all refused": about(ApiError(503, ""), lambda request: True),
    "servers are not shown": about(ApiError(500, ""), is_show),
    "servers are neither listed nor shown": {"lagging": True, **about(ApiError(500, ""), is_show)},
    "balancer unreadable": about(ApiError(503, ""), lambda request: request.path.startswith("loadbalancers/7")),
    "pool unreadable": about(ApiError(503, ""), lambda request: request.path.endswith("/p/nodes")),
}
SEVEN, POOL = {"loadBalancerId": 7, "port": 80}, {"loadBalancerId": "P", "type": "RackConnectV3"}
LAUNCHES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "draining": {"draining_timeout": 30},
    "two ports": {"loadBalancers": [SEVEN, {"loadBalancerId": 7, "port": 8080}]},
    "balancer and pool": {"loadBalancers": [SEVEN, POOL], "draining_timeout": 30},
    "pool": {"loadBalancers": [POOL], "draining_timeout": 30},
}
"""Launch configurations, by what is special about them."""


def now(coroutine: Any) -> Any:
    """The result of something that waits for nothing."""
    results: list = []
    ensureDeferred(coroutine).addBoth(results.append)
    [result] = results
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result


@define
class Meddled(ToyCloud):
    """A cloud that tells of each request before and after it obeys."""

    before: Callable[[CloudRequest], None] = lambda request: None
    after: Callable[[CloudRequest], None] = lambda request: None

    def answer(self, request: CloudRequest) -> dict | list | None:
        self.before(request)
        try:
            return super().answer(request)
        finally:
            self.after(request)


@frozen
class NobodyToTell(IEngine):
    """When there are passes is the story's business."""

    async def capacity_changed(self, group_id: Any) -> None:
        """Nothing."""


@define
class Story:
    """
    :ivar scope_of: from which start of which process it is, to the engine's scope.
    :ivar most: the highest capacity that was ever wanted.
    :ivar patient: no create was ever given up. What is given up may turn up all the same, as one too many.
    :ivar let_go: server id -> what metadata it is to have.
    :ivar disowned: servers that lost their metadata behind our back.
    :ivar foreign: somebody else's nodes, by id, as they are.
    :ivar strangers: somebody else's members of the pool.
    :ivar draining: node id -> when it was first told to finish its connections.
    :ivar at_first: the group as the pass found it.
    :ivar working: the servers that worked then.
    :ivar waiting: the nodes that had not shown by then that they work.
    :ivar news: servers that were evicted after the pass began.
    :ivar ended: there is no group any more.
    """

    launch: str
    desired: int
    scope_of: Callable[[int], IScope] = lambda epoch: Always()
    clock: Clock = field(init=False, factory=Clock)
    cloud: Meddled = field(init=False, factory=Meddled)
    store: SQLiteStore = field(init=False, factory=lambda: SQLiteStore(Inline()))
    run_pass: Pass = field(init=False)
    most: int = field(init=False)
    patient: bool = field(init=False, default=True)
    let_go: dict[str, dict] = field(init=False, factory=dict)
    disowned: set[str] = field(init=False, factory=set)
    foreign: dict[int, dict] = field(init=False, factory=dict)
    strangers: set[str] = field(init=False, factory=set)
    draining: dict[int, float] = field(init=False, factory=dict)
    at_first: Group = field(init=False)
    working: set[str] = field(init=False, factory=set)
    waiting: set[int] = field(init=False, factory=set)
    news: set[str] = field(init=False, factory=set)
    ended: bool = field(init=False, default=False)
    _numbers: count = field(init=False, factory=count)
    _request: int = field(init=False, default=0)
    """The number of the pass's next request; 0 if there is no pass."""
    _meanwhile: tuple[int, tuple] | None = field(init=False, default=None)
    _death: tuple[int, str] | None = field(init=False, default=None)
    _dead: bool = field(init=False, default=False)
    _probed: set[int] = field(init=False, factory=set)
    """The nodes that health monitors have had time for."""

    def __attrs_post_init__(self) -> None:
        self.clock.advance(1_000_000.0)
        self.most = self.desired
        self.begin_process()
        now(self.store.create_group(a_group(self.desired, args=dict(LAUNCHES[self.launch])), [], 10))
        self.add_foreign(0)
        self.cloud.before, self.cloud.after = self._before, self._after

    def begin_process(self) -> None:
        numbers = self._numbers
        epoch = next(numbers)
        self.run_pass = Pass(
            self.store,
            self.cloud,
            self.clock,
            epoch=epoch,
            monotonic=self.clock.seconds,
            random=Even(next(numbers)),
            new_id=lambda: f"create-{next(numbers)}",
            scope=self.scope_of(epoch),
        )

    def group(self) -> Group:
        return now(self.store.get_group(GROUP_ID, even_deleting=True))

    # What may happen

    def tell(self, when: int | None, event: tuple) -> None:
        """
        Something happens, and then there is a pass.

        :param when: it happens just before the so-many-th request of the pass instead.
        """
        if when is None or event[0] in ("die", "wait"):
            self.happen(event)
        else:
            self._meanwhile = (when, event)
        self.one_pass()

    def happen(self, event: tuple) -> None:
        match event:
            case "fault", fault:
                self.set_fault(fault)
            case ("stale",):
                self.cloud.stale = deepcopy(list(self.cloud.servers.values()))
            case "born", status:
                self.cloud.born = status
            case "lingers", lingers:
                self.cloud.lingers = lingers
            case "monitored", monitored:
                self.cloud.monitored = monitored
            case "most nodes", most:
                self.cloud.most_nodes = most
            case "status", status if self.cloud.status not in CLOSED:
                self.cloud.status = status
            case "server", verb, which:
                for server_id in sorted(self.cloud.servers)[which : which + 1]:
                    self.change_server(server_id, verb)
            case "node", verb, which:
                for node_id in sorted(self.cloud.nodes.keys() - self.foreign.keys())[which : which + 1]:
                    self.change_node(node_id, verb)
            case "remove a member", which:
                for server_id in sorted(set(self.cloud.members) - self.strangers)[which : which + 1]:
                    self.cloud.members.remove(server_id)
            case "foreign", number:
                self.add_foreign(number)
            case "die", number, where:
                self._death = (number, where)
            case "wait", seconds:
                self.clock.advance(seconds)
            case "ask", *request:
                self.ask(*request)

    def set_fault(self, fault: str) -> None:
        self.cloud.stale = None
        for name in ("lagging", "answers_get_lost", "refuse"):
            setattr(self.cloud, name, FAULTS[fault].get(name, getattr(QUIET, name)))

    def change_server(self, server_id: str, verb: str) -> None:
        server = self.cloud.servers[server_id]
        match verb:
            case "delete":
                del self.cloud.servers[server_id]
            case "disown":
                server["metadata"] = {}
                self.disowned.add(server_id)
            case "finish":
                for node in self.cloud.nodes.values():
                    node |= {"connections": 0} if node["address"] == address_of(server_id) else {}
            case status if GOING not in server:
                self.cloud.set_status(server_id, status)

    def change_node(self, node_id: int, verb: str) -> None:
        match verb:
            case "remove":
                del self.cloud.nodes[node_id]
            case "DRAINING" | "DISABLED" | "ENABLED" as condition:
                self.cloud.nodes[node_id]["condition"] = condition
                self.note_draining()
            case "ONLINE" | "OFFLINE" as status:
                self.cloud.nodes[node_id]["status"] = status
            case "edit":
                self.cloud.nodes[node_id] |= {"weight": 5, "type": "SECONDARY"}

    def note_draining(self) -> None:
        for node_id, node in self.cloud.nodes.items():
            if node["condition"] == "DRAINING":
                self.draining.setdefault(node_id, self.clock.seconds())

    def add_foreign(self, number: int) -> None:
        address = f"10.9.0.{number}"
        if len(self.cloud.nodes) < self.cloud.most_nodes and address not in self.cloud.served():
            condition = ["ENABLED", "DRAINING", "DISABLED"][number % 3]
            node = self.cloud.add_node(address=address, condition=condition, weight=number + 2)
            self.foreign[node["id"]] = dict(node)
            self.strangers.add(f"foreign-{number}")
            self.cloud.members.append(f"foreign-{number}")

    def ask(self, verb: str, *details: Any) -> None:
        """What the owner may ask for. It may be refused."""
        groups = Groups(self.store, NobodyToTell(), self.clock, Limits(), str, Launches(QUIET, self.clock))
        request, self._request = self._request, 0  # what it asks of the cloud is none of the pass's business
        try:
            match verb, *details:
                case "resize", desired:
                    now(self.store.change_group(GROUP_ID, lambda group: group.asked(desired=desired)))
                    self.most = max(self.most, desired)
                case "launch", launch:
                    now(groups.replace_launch(GROUP_ID, a_group(args=dict(LAUNCHES[launch])).launch.document))
                case ("pause",):
                    now(groups.pause(GROUP_ID))
                case ("resume",):
                    now(groups.resume(GROUP_ID))
                case ("delete",):
                    now(groups.delete(GROUP_ID, force=True))
                case "evict", which, replace, purge:
                    for server_id in sorted(self.cloud.servers)[which : which + 1]:
                        self.evict(server_id, replace, purge, in_pass=request > 0)
        except OtterError:
            pass
        finally:
            self._request = request

    def evict(self, server_id: str, replace: bool, purge: bool, in_pass: bool) -> None:
        """:raises OtterError:"""
        kept = theirs(self.cloud.servers[server_id]["metadata"])
        was_leaving = server_id in self.group().roster.leaving
        now(Servers(self.store, NobodyToTell(), self.cloud, self.clock).evict(GROUP_ID, server_id, replace, purge))
        assert was_leaving or server_id not in {member.id for member in self.group().roster.active}
        if not purge:
            self.let_go[server_id] = kept
        if in_pass:
            self.news.add(server_id)

    # Passes

    def one_pass(self) -> Group | None:
        """The group afterwards; None if there is none any more, or if the process died."""
        if self.ended:
            return None
        self.at_first, self.working, self.waiting = self.group(), working(self), waiting(self)
        changes = len(self.cloud.changes)
        creates = self.at_first.roster.creates.values()
        self.patient &= all(self.clock.seconds() < create.resolve_by for create in creates)
        group, self._request, self._dead = None, 1, False
        self.news.clear()
        try:
            group = now(self.run_pass(GROUP_ID))
            self.ended = group is None
        except CancelledError:
            self.begin_process()
        except Broken as broken:
            raise AssertionError(str(broken)) from broken
        finally:
            self._request, self._death, self._meanwhile = 0, None, None
        if self.at_first.resting:
            assert len(self.cloud.changes) == changes, "a paused group is left alone"
        check_now(self)
        return group

    def _before(self, request: CloudRequest) -> None:
        if not self._request:
            return
        if self._dead or self._death == (self._request, "before"):
            self._dead = True
            raise CancelledError()
        if self._meanwhile is not None and self._meanwhile[0] == self._request:
            (_, event), self._meanwhile = self._meanwhile, None
            self.happen(event)
        try:
            check_request(self, request)
        except AssertionError as broken:
            what = f"{request.method} {request.path} {request.params or request.json}"
            raise Broken(f"{what}: {broken}") from broken

    def _after(self, request: CloudRequest) -> None:
        self.note_draining()
        if not self._request or self._dead:
            return
        self._dead = self._death == (self._request, "after")
        self._request += 1
        if self._dead:
            raise CancelledError()

    # The end

    def end(self) -> None:
        """The cloud recovers and does what it is asked, and there are passes whenever one is due, until none is."""
        self.set_fault("none")
        self.cloud.born, self.cloud.lingers, self.cloud.most_nodes = "ACTIVE", False, 1000
        self.cloud.status = GONE if self.cloud.status in CLOSED else "ACTIVE"
        self.clock.advance(self.run_pass.rules.resolve_timeout)
        self.ask("resume")
        began, quiet = self.clock.seconds(), 0
        for _ in range(200):
            self.time_goes_by()
            changes = len(self.cloud.changes)
            group = self.one_pass()
            if group is not None and group.state.due is None and group.state.reasons and self.cloud.status != GONE:
                self.ask("resume")  # engines that do not heal have given up: whoever is told why asks again
                continue
            if group is None or group.state.due is None:
                break
            quiet = quiet + 1 if len(self.cloud.changes) == changes else 0
            if self.cloud.status == GONE and quiet == 15:
                break
            self.clock.advance(max(0.0, group.state.due - self.clock.seconds()) + 0.001)
        else:
            raise AssertionError("it arrives in the end")
        assert self.clock.seconds() - began < SOON or self.cloud.status == GONE, "it arrives soon"
        check_end(self)

    def time_goes_by(self) -> None:
        for server_id, server in list(self.cloud.servers.items()):
            if GOING in server:
                del self.cloud.servers[server_id]
            elif server["status"] not in ("ERROR", "SHUTOFF"):
                self.cloud.set_status(server_id, "ACTIVE")
        for node_id in (self._probed & self.cloud.nodes.keys()) - self.foreign.keys():
            self.cloud.nodes[node_id]["status"] = "ONLINE"
        self._probed = set(self.cloud.nodes)


def tell_story(
    launch: str,
    desired: int,
    events: Iterable[tuple[int | None, tuple]],
    scope_of: Callable[[int], IScope] = lambda epoch: Always(),
) -> None:
    """:raises AssertionError: a promise was broken, or a pass met a bug."""
    bugs: list[BaseException] = []

    def look_for_bugs(event: Mapping) -> None:
        bugs.extend([event["log_failure"].value] if "log_failure" in event else [])

    globalLogPublisher.addObserver(look_for_bugs)
    try:
        story = Story(launch, desired, scope_of)
        for when, event in events:
            story.tell(when, event)
        story.end()
    finally:
        globalLogPublisher.removeObserver(look_for_bugs)
    assert bugs == []
