"""What is true of every request, after every pass and in the end, whatever happens in a story."""

from collections.abc import Mapping
from typing import Any

from otter.cloud.nova import GROUP_KEY, server_of
from otter.cloud.request import CloudRequest
from otter.domain.balancers import Target
from otter.domain.group import Status
from tests.worlds import GROUP_ID

USUAL = {"condition": "ENABLED", "weight": 1, "type": "PRIMARY"}
GOING = "OS-EXT-STS:task_state"
GONE = "DELETED"
CLOSED = ("PENDING_DELETE", GONE)


class Broken(BaseException):
    """A promise was. No pass takes it for an error of the cloud, or for a bug that it has to survive."""


def address_of(server_id: str) -> str:
    return f"10.0.0.{server_id.removeprefix('s')}"


def server_at(address: str) -> str:
    """The id of the server that has, or had, the address."""
    return f"s{address.removeprefix('10.0.0.')}"


# Of every request


def check_request(story: Any, request: CloudRequest) -> None:
    match request.service, request.method, request.path.split("/"):
        case (_, "GET", _) | ("nova", "POST", _):
            return
        case "nova", "PUT", [_, server_id, "metadata"]:
            assert story.let_go[server_id] == request.json["metadata"], "what is not otter's is kept"
        case "nova", "PUT", [_, server_id, *_]:
            check_out(story, server_id)
        case "nova", "DELETE", [_, server_id]:
            check_out(story, server_id)
            check_delete(story, server_id)
        case "clb", "POST", _:
            for node in request.json["nodes"]:
                check_in(story, server_at(node["address"]))
        case "clb", "PUT", [*_, node_id]:
            has_to_wait = int(node_id) in story.waiting & waiting(story)
            assert not (has_to_wait and request.json["node"] == USUAL), "new nodes show first that they work"
            for server_id in servers_at(story, [node_id]):
                (check_in if request.json["node"] == USUAL else check_out)(story, server_id)
        case "clb", "DELETE", _:
            for node_id in request.params["id"]:
                check_drained(story, int(node_id))
            for server_id in servers_at(story, request.params["id"]):
                check_out(story, server_id)
        case "rackconnect", method, _:
            for pair in request.json:
                (check_in if method == "POST" else check_out)(story, pair["cloud_server"]["id"])
        case _:
            raise AssertionError("nobody asks for that")


def servers_at(story: Any, node_ids: list[str]) -> list[str]:
    nodes = [story.cloud.nodes[int(node_id)] for node_id in node_ids if int(node_id) in story.cloud.nodes]
    return [server_at(node["address"]) for node in nodes]


def is_somebodys(story: Any, server_id: str) -> bool:
    """Whether it matters to anybody what becomes of the server, and whether that can be known."""
    server = story.cloud.servers.get(server_id)
    return server is not None and GOING not in server and server_id not in story.disowned


def check_out(story: Any, server_id: str) -> None:
    """The server, or its traffic, may be ended."""
    if is_somebodys(story, server_id):
        assert server_id not in story.let_go, "who was let go is left alone"
        assert server_id in story.group().roster.leaving, "leaving is written down before anything is done about it"


def check_in(story: Any, server_id: str) -> None:
    """The server may get traffic. What happened in the middle of this pass, the pass may not know."""
    if is_somebodys(story, server_id) and server_id not in story.news:
        assert server_id not in story.let_go, "who was let go is left alone"
        assert server_id not in story.group().roster.leaving, "who leaves never gets traffic again"


def check_delete(story: Any, server_id: str) -> None:
    """The server may be deleted: nobody sends it traffic any more, or it has taken too long to see to that."""
    if not is_somebodys(story, server_id):
        return
    patience = story.at_first.launch.draining_timeout + story.run_pass.rules.timeouts.detach
    since = story.group().roster.leaving[server_id]
    if since is not None and story.clock.seconds() - since >= patience:
        return
    assert story.cloud.status in CLOSED or address_of(server_id) not in story.cloud.served(), "nodes first"
    assert server_id not in story.cloud.members, "nodes first"


def check_drained(story: Any, node_id: int) -> None:
    """The node may be removed: its server does not work, or its connections were given time to end."""
    node = story.cloud.nodes.get(node_id)
    if node is None or node["condition"] == "DISABLED" or node.get("connections") == 0:
        return
    server_id = server_at(node["address"])
    if not is_somebodys(story, server_id) or server_id not in story.working & working(story):
        return
    since = story.draining.get(node_id, story.clock.seconds())
    assert story.clock.seconds() - since >= story.at_first.launch.draining_timeout, "connections end in peace"


def working(story: Any) -> set[str]:
    """Ids of the servers that may have connections, by what they are and by what Nova says of them."""
    said = [*story.cloud.servers.values(), *(story.cloud.stale or ())]
    return {server["id"] for server in said} - {s["id"] for s in said if s["status"] not in ("ACTIVE", "REBOOT")}


def waiting(story: Any) -> set[int]:
    """Ids of the nodes that have not shown yet that they work."""
    nodes = story.cloud.nodes.items() if story.cloud.monitored else ()
    return {id for id, node in nodes if (node["condition"], node["status"]) == ("DRAINING", "OFFLINE")}


# After every pass


def check_now(story: Any) -> None:
    for node_id, node in story.foreign.items():
        assert story.cloud.nodes[node_id] == node, "foreign nodes are left alone"
    assert story.strangers <= set(story.cloud.members), "foreign members are left alone"
    if not story.patient:
        return
    if story.ended:
        assert not any(map(is_ours, story.cloud.servers.values())), "the group is no more when its servers are no more"
    else:
        roster = story.group().roster
        counting = {id for id, server in story.cloud.servers.items() if is_ours(server) and works(server)}
        assert len(counting - set(roster.leaving) - set(roster.released)) <= story.most, "never too many"


def is_ours(server: Mapping[str, Any]) -> bool:
    return server["metadata"].get(GROUP_KEY) == GROUP_ID.group


def works(server: Mapping[str, Any]) -> bool:
    """Whether it counts."""
    return GOING not in server and server["status"] not in ("ERROR", "SHUTOFF")


# In the end


def check_end(story: Any) -> None:
    """Everything is as it was asked for."""
    foreigners = {*story.let_go, *story.disowned}
    ours = story.cloud.servers.keys() - foreigners
    for server_id, kept in story.let_go.items():
        if server_id in story.cloud.servers and server_id not in story.disowned:
            assert story.cloud.servers[server_id]["metadata"] == kept
    nodes = [node for id, node in story.cloud.nodes.items() if id not in story.foreign]
    served = {server_at(node["address"]) for node in nodes}
    left = {*(served if story.cloud.status != GONE else ()), *story.cloud.members} - foreigners - story.strangers
    assert left <= ours, "nothing is left behind"
    if story.ended:
        return
    state, roster = story.group().state, story.group().roster
    failed = [job for job in roster.jobs.by_key.values() if job.why]
    assert len(ours) == state.desired - len(failed)
    assert set(roster.known) - set(roster.gone) == ours
    assert set(roster.leaving) <= set(roster.gone)
    assert (dict(roster.creates), dict(roster.draining)) == ({}, {})
    assert roster.released <= story.let_go.keys()
    lacking = {server_id for server_id in ours if not is_served(story, server_id)}
    assert {job.server_id for job in roster.jobs.by_key.values() if not job.why} <= lacking
    if lacking or failed:
        assert story.cloud.status == GONE
        assert list(state.reasons) == ["Cloud Load Balancer does not exist: 7"]
    else:
        assert (state.status, list(state.reasons), state.due) == (Status.ACTIVE, [], None)
    assert {member.id for member in roster.active} == ours - lacking


def is_served(story: Any, server_id: str) -> bool:
    """The server gets its traffic wherever it belongs, in the usual way."""
    return all(map(node_at(story, server_id), server_of(story.cloud.servers[server_id]).targets))


def node_at(story: Any, server_id: str) -> Any:
    def is_there(target: Target) -> bool:
        if target.port is None:
            return server_id in story.cloud.members
        if story.cloud.status == GONE:
            return False
        place = {"address": address_of(server_id), "port": target.port, **USUAL}
        return any(place.items() <= node.items() for node in story.cloud.nodes.values())

    return is_there
