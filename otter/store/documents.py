"""How a group's state and roster are written down; the same in every back end."""

import json
from collections.abc import Mapping
from typing import Any

from attrs import asdict
from pyrsistent import pmap, pset, pvector

from otter.domain.balancers import Target
from otter.domain.group import GroupState, Status
from otter.domain.roster import Create, Member, Place, Roster


def dump_state(state: GroupState) -> str:
    """``state`` as JSON text."""
    return json.dumps(
        {
            "desired": state.desired,
            "generation": state.generation,
            "converged_generation": state.converged_generation,
            "look_at": state.look_at,
            "tries": state.tries,
            "refusals": state.refusals,
            "paused": state.paused,
            "status": state.status.value,
            "reasons": list(state.reasons),
            "failing_since": state.failing_since,
            "group_touched": state.group_touched,
            "policy_touched": dict(state.policy_touched),
        }
    )


def load_state(text: str) -> GroupState:
    """The state that ``dump_state`` wrote."""
    document = json.loads(text)
    document["status"] = Status(document["status"])
    document["reasons"] = pvector(document["reasons"])
    document["policy_touched"] = pmap(document["policy_touched"])
    return GroupState(**document)


def dump_roster(roster: Roster) -> str:
    """``roster`` as JSON text."""
    return json.dumps(
        {
            "active": [{"id": member.id, "links": list(member.links)} for member in roster.active],
            "known": {server_id: dump_place(place) for server_id, place in sorted(roster.known.items())},
            "creates": [asdict(create) for create in roster.creates.values()],
        }
    )


def load_roster(text: str) -> Roster:
    """The roster that ``dump_roster`` wrote."""
    document = json.loads(text)
    return Roster(
        active=pvector(Member(member["id"], pvector(member["links"])) for member in document["active"]),
        known=pmap({server_id: load_place(place) for server_id, place in document["known"].items()}),
        creates=pmap({create["id"]: Create(**create) for create in document["creates"]}),
    )


def dump_place(place: Place) -> Mapping[str, Any]:
    return {"address": place.address, "targets": sorted([target.lb_id, target.port] for target in place.targets)}


def load_place(document: Mapping[str, Any]) -> Place:
    return Place(document["address"], pset(Target(lb_id, port) for lb_id, port in document["targets"]))
