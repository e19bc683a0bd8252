"""How what is stored is written down and read; the same in every back end."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from attrs import asdict, evolve
from pyrsistent import PVector, pmap, pset, pvector

from otter.domain.balancers import BalancerId, Target
from otter.domain.events import Event, Notice, Outbox
from otter.domain.group import GroupConfig, GroupState, Refusal, Status, config_of
from otter.domain.history import Entry
from otter.domain.jobs import Job, Jobs, Kind
from otter.domain.launch import DEFAULT_KIND, Launch, launch_of
from otter.domain.policy import Policy, policy_of
from otter.domain.roster import Create, Member, Place, Roster
from otter.domain.shares import Parts, Split


def dump_state(state: GroupState) -> str:
    """``state`` as JSON text."""
    return json.dumps(
        {
            "desired": state.desired,
            "generation": state.generation,
            "converged_generation": state.converged_generation,
            "look_at": state.look_at,
            "tries": state.tries,
            "refusal": None if state.refusal is None else dump_refusal(state.refusal),
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
    document["refusal"] = None if document.get("refusal") is None else load_refusal(document["refusal"])
    return GroupState(**document)


def dump_refusal(refusal: Refusal) -> Mapping[str, Any]:
    return {"reasons": list(refusal.reasons), "until": refusal.until, "times": refusal.times}


def load_refusal(document: Mapping[str, Any]) -> Refusal:
    return Refusal(pvector(document["reasons"]), document["until"], document["times"])


def dump_roster(roster: Roster) -> str:
    """``roster`` as JSON text."""
    return json.dumps(
        {
            "active": [{"id": member.id, "links": list(member.links)} for member in roster.active],
            "known": {server_id: dump_place(place) for server_id, place in sorted(roster.known.items())},
            "creates": [asdict(create) for create in roster.creates.values()],
            "leaving": dict(roster.leaving),
            "released": sorted(roster.released),
            "gone": dict(roster.gone),
            "draining": [[id.kind, id.id, node, since] for (id, node), since in roster.draining.items()],
            "jobs": dump_jobs(roster.jobs),
            "fence": roster.fence,
        }
    )


def load_roster(text: str) -> Roster:
    """The roster that ``dump_roster`` wrote."""
    document = json.loads(text)
    return Roster(
        active=load_members(document["active"]),
        known=pmap({server_id: load_place(place) for server_id, place in document["known"].items()}),
        creates=pmap({create["id"]: Create(**create) for create in document["creates"]}),
        leaving=pmap(document.get("leaving", {})),
        released=pset(document.get("released", ())),
        gone=pmap(document.get("gone", {})),
        draining=pmap({(BalancerId(kind, id), node): since for kind, id, node, since in document.get("draining", ())}),
        jobs=load_jobs(document.get("jobs", {"generation": 0, "jobs": []})),
        fence=document.get("fence", 0),
    )


def dump_jobs(jobs: Jobs) -> Mapping[str, Any]:
    listed = [{**asdict(job), "kind": job.kind.value} for _, job in sorted(jobs.by_key.items())]
    return {"generation": jobs.generation, "jobs": listed}


def load_jobs(document: Mapping[str, Any]) -> Jobs:
    jobs = [Job(**{**fields, "kind": Kind(fields["kind"])}) for fields in document["jobs"]]
    return Jobs(document["generation"], pmap({job.key: job for job in jobs}))


def load_members(documents: Sequence[Mapping[str, Any]]) -> PVector[Member]:
    return pvector(Member(document["id"], pvector(document["links"])) for document in documents)


def dump_place(place: Place) -> Mapping[str, Any]:
    targets = [[target.balancer.id, target.port, target.balancer.kind] for target in sorted(place.targets)]
    return {"address": place.address, "targets": targets, "since": place.since}


def load_place(document: Mapping[str, Any]) -> Place:
    targets = pset(load_target(*fields) for fields in document["targets"])
    return Place(document["address"], targets, document.get("since"))


def load_target(lb_id: str, port: int | None, kind: str = DEFAULT_KIND) -> Target:
    """:param kind: not in what was written when there was only one."""
    return Target(BalancerId(kind, lb_id), port)


def dump_outbox(outbox: Outbox) -> str | None:
    """``outbox`` as JSON text; None if there is nothing in it."""
    if outbox == Outbox():
        return None
    return json.dumps({"events": [asdict(event) for event in outbox.events], "dropped": outbox.dropped})


def load_outbox(text: str | None) -> Outbox:
    """The outbox that ``dump_outbox`` wrote."""
    if text is None:
        return Outbox()
    document = json.loads(text)
    events = [Event(**{**event, "notice": Notice(**event["notice"])}) for event in document["events"]]
    return Outbox(pvector(events), document["dropped"])


def dump_entry(entry: Entry) -> str:
    """``entry`` as JSON text."""
    observed = None if entry.observed is None else dict(entry.observed)
    lists = {"observed": observed, "plan": dict(entry.plan), "reasons": list(entry.reasons)}
    return json.dumps({**asdict(entry, recurse=False), **lists})


def load_entry(text: str) -> Entry:
    """The entry that ``dump_entry`` wrote."""
    document = json.loads(text)
    observed = None if document["observed"] is None else pmap(document["observed"])
    lists = {"observed": observed, "plan": pmap(document["plan"]), "reasons": pvector(document["reasons"])}
    return Entry(**{**document, **lists})


@lru_cache(maxsize=256)
def config_from(text: str) -> GroupConfig:
    return config_of(json.loads(text))


@lru_cache(maxsize=256)
def launch_from(text: str) -> Launch:
    return launch_of(json.loads(text))


@lru_cache(maxsize=64)
def roster_from(text: str) -> Roster:
    return load_roster(text)


def policy_from(policy_id: str, document: str, due: float | None) -> Policy:
    return evolve(policy_without_due(policy_id, document), due=due)


@lru_cache(maxsize=256)
def policy_without_due(policy_id: str, document: str) -> Policy:
    return policy_of(policy_id, json.loads(document))


def dump_split(split: Split) -> str:
    return json.dumps(asdict(split), sort_keys=True)


def load_split(text: str) -> Split:
    document = json.loads(text)
    return Split(**{**document, "before": Parts(**document["before"])})
