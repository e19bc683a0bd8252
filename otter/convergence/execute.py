"""Doing what was planned, and judging what came of it."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, assert_never, get_args

from attrs import frozen
from effect import Constant, Effect, TypeDispatcher, catch, parallel, sync_performer
from pyrsistent import PMap, pmap

from otter.cloud import nova
from otter.cloud.balancers import clb
from otter.cloud.errors import ApiError, CloudError
from otter.domain.group import GroupId
from otter.planning.steps import AddNodesToCLB, ConvergeLater, CreateServer, DeleteServer, RemoveNodesFromCLB, Step


class Verdict(Enum):
    """What is to happen next."""

    DONE = "the pass had nothing to do: the group is what it should be"
    AGAIN = "something was done, or is awaited: look again"
    FAILED = "nothing but steps that cannot succeed until somebody changes something"


@frozen
class Outcome:
    """
    :ivar reasons: sentences for the owner, sorted, about what will not mend by itself. There may be some even though the
        pass goes on: one deleted load balancer is to be reported, but must not stop the healing of everything else.
    :ivar troubles: the same about what may well mend by itself; the owner is told if it lasts.
    :ivar promised: create id -> id of the server that Nova promised.
    :ivar refused: ids of creates that come to nothing.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()
    promised: PMap[str, str] = pmap()
    refused: frozenset[str] = frozenset()


@frozen
class Result:
    """What the step's request was answered with; or else, its error."""

    step: Step
    value: Any = None
    error: CloudError | None = None


def execute(steps: Sequence[Step]) -> Effect:
    """Effect of all ``steps`` at once: a list of ``Result`` in the same order. It fails only if there is a bug."""

    def result_of(step: Step) -> Effect:
        return Effect(step).on(
            success=lambda value: Result(step, value),
            error=catch(CloudError, lambda error: Result(step, error=error)),
        )

    return parallel(map(result_of, steps))


def dispatcher(group_id: GroupId, send_by: float) -> TypeDispatcher:
    """
    Performs steps, each by the cloud function that it stands for.

    :param send_by: when creates become too late to send (seconds on the monotonic clock).
    """
    performer = sync_performer(lambda _, step: effect_of(group_id, send_by, step))
    return TypeDispatcher(dict.fromkeys(get_args(Step), performer))


def effect_of(group_id: GroupId, send_by: float, step: Step) -> Effect:
    """What a step is to the cloud."""
    match step:
        case CreateServer(create_id, name, server, targets):
            return nova.create_server(group_id, create_id, name, server, targets, send_by)
        case DeleteServer(server_id):
            return nova.delete_server(server_id)
        case AddNodesToCLB(lb_id, nodes):
            return clb.add_nodes(lb_id, nodes)
        case RemoveNodesFromCLB(lb_id, node_ids):
            return clb.remove_nodes(lb_id, node_ids)
        case ConvergeLater():
            return Effect(Constant(None))
        case _:
            assert_never(step)


def judge(results: Sequence[Result]) -> Outcome:
    """What the pass came to. Success needs no judging: only a pass with nothing to do is done."""
    if not results:
        return Outcome(Verdict.DONE)
    errors = [result.error for result in results if result.error is not None]
    terminal = [error for error in errors if error.terminal]
    waits = [result.step.why for result in results if isinstance(result.step, ConvergeLater) and result.step.trouble]
    creates = [(result.step.create_id, result) for result in results if isinstance(result.step, CreateServer)]
    return Outcome(
        Verdict.FAILED if len(terminal) == len(results) else Verdict.AGAIN,
        reasons=sentences(terminal),
        troubles=tuple(sorted({*sentences([error for error in errors if not error.terminal]), *waits})),
        promised=pmap({create_id: result.value for create_id, result in creates if result.error is None}),
        refused=frozenset(create_id for create_id, result in creates if is_refusal(result.error)),
    )


def judge_blindness(error: CloudError) -> Outcome:
    """What a pass came to that could not even look at the group's servers."""
    if error.terminal:
        return Outcome(Verdict.FAILED, reasons=(error.user_message,))
    return Outcome(Verdict.AGAIN, troubles=(error.user_message,))


def sentences(errors: Sequence[CloudError]) -> tuple[str, ...]:
    """One for each cause, however many steps suffered from it."""
    return tuple(sorted({error.user_message for error in errors}))


def is_refusal(error: CloudError | None) -> bool:
    """Whether it is certain that a create comes to nothing. After a 5xx or a lost answer there may be a server yet."""
    if error is None:
        return False
    if error.terminal or not error.sent:
        return True
    return isinstance(error, ApiError) and 400 <= error.status < 500 and error.status != 408
