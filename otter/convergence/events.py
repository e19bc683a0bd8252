"""What the owner of a group is told of a pass. (docs/convergence.md, "Customer events".)"""

from collections.abc import Sequence

from otter.cloud.balancers.kinds import KINDS
from otter.domain.events import THINGS, Notice, notices
from otter.domain.group import GroupState, Status
from otter.planning.steps import (
    AddNodes,
    ChangeNodes,
    CreateServer,
    DeleteServer,
    MarkLeaving,
    ReleaseServer,
    RemoveNodes,
    Step,
)


def of_steps(steps: Sequence[Step]) -> list[Notice]:
    """One for each kind of step on servers, and for each step on a load balancer; more if there is much to say."""
    created = sum(isinstance(step, CreateServer) for step in steps)
    deleted = [step.server_id for step in steps if isinstance(step, DeleteServer)]
    relabelled = [step.server_id for step in steps if isinstance(step, MarkLeaving | ReleaseServer)]
    told: list[Notice] = []
    if created:
        told += notices("convergence-create-servers", f"Creating {created} servers.", [])
    if deleted:
        told += notices("convergence-delete-servers", f"Deleting server(s) {THINGS}", sorted(deleted))
    if relabelled:
        text = f"Setting metadata of server(s) {THINGS}"
        told += notices("convergence-set-server-metadata", text, sorted(relabelled))
    return [*told, *(notice for step in steps for notice in of_nodes(step))]


def of_nodes(step: Step) -> list[Notice]:
    match step:
        case AddNodes(balancer, nodes):
            return KINDS[balancer.kind].adding(balancer.id, nodes)
        case ChangeNodes(balancer, nodes):
            return KINDS[balancer.kind].changing(balancer.id, nodes)
        case RemoveNodes(balancer, nodes):
            return KINDS[balancer.kind].removing(balancer.id, nodes)
        case _:
            return []


def of_status(before: GroupState, after: GroupState) -> list[Notice]:
    """That something is wrong, or something else than before; and that all is well again."""
    if after.status is Status.ERROR and (before.status, before.reasons) != (after.status, after.reasons):
        text = f"Group's status is changed to ERROR. Reasons: {THINGS}"
        return notices("group-status-error", text, list(after.reasons), is_error=True, between="; ")
    if (before.status, after.status) == (Status.ERROR, Status.ACTIVE):
        return notices("group-status-active", "Group's status is changed to ACTIVE", [])
    return []
