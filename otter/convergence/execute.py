"""Doing what was planned, and judging what came of it."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, assert_never, get_args

from attrs import frozen
from effect import Constant, Effect, TypeDispatcher, catch, parallel, sync_performer
from effect.do import do
from pyrsistent import PMap, pmap

from otter.cloud import nova
from otter.cloud.balancers.kinds import KINDS
from otter.cloud.errors import ApiError, CloudError
from otter.domain.balancers import BalancerId, Node
from otter.domain.group import GroupId, Refusal
from otter.planning.steps import (
    AddNodes,
    ChangeNodes,
    ConvergeLater,
    CreateServer,
    DeleteServer,
    MarkLeaving,
    ReleaseServer,
    RemoveNodes,
    Step,
    Tell,
)


class Verdict(Enum):
    """What is to happen next."""

    DONE = "the pass had nothing to do: the group is what it should be"
    AGAIN = "something was done, or is awaited: look again"
    MORE = "as much was done as one pass may: look again at once"
    BLOCKED = "nothing but steps that cannot succeed until somebody changes something"
    OVER = "the same, and nothing is tried until there is another request"


@frozen
class Outcome:
    """
    :ivar reasons: sentences for the owner, sorted, about what will not mend by itself. There may be some even though the
        pass goes on: one deleted load balancer is to be reported, but must not stop the healing of everything else.
    :ivar troubles: the same about what may well mend by itself; the owner is told if it lasts.
    :ivar promised: create id -> id of the server that Nova promised.
    :ivar withdrawn: ids of creates that come to nothing.
    :ivar refusals: those of ``reasons`` for which Nova made no servers in this pass.
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()
    promised: PMap[str, str] = pmap()
    withdrawn: frozenset[str] = frozenset()
    refusals: tuple[str, ...] = ()


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
        case MarkLeaving(server_id):
            return nova.mark_leaving(server_id)
        case ReleaseServer(server_id):
            return nova.release_server(server_id)
        case AddNodes(balancer, nodes, present):
            return KINDS[balancer.kind].add(balancer.id, nodes, present)
        case ChangeNodes(balancer, nodes):
            return change_nodes(balancer, nodes)
        case RemoveNodes(balancer, nodes):
            return KINDS[balancer.kind].remove(balancer.id, nodes)
        case ConvergeLater():
            return Effect(Constant(None))
        case _:
            assert_never(step)


@do
def change_nodes(balancer: BalancerId, nodes: Sequence[Node]):
    """Effect of one change after the other, as far as it goes: while it applies one, a load balancer may refuse the next."""
    for node in nodes:
        try:
            yield KINDS[balancer.kind].change(balancer.id, node)
        except CloudError as error:
            if node is nodes[0] or error.terminal:
                raise
            return


def judge(results: Sequence[Result]) -> Outcome:
    """What the pass came to. Success needs no judging: only a pass with nothing to do is done."""
    if not results:
        return Outcome(Verdict.DONE)
    waits = [result.step for result in results if isinstance(result.step, ConvergeLater)]
    creates = [(result.step.create_id, result) for result in results if isinstance(result.step, CreateServer)]
    errors = [result.error for result in results if result.error is not None]
    terminal = [error for error in errors if error.terminal]
    hopeless = [step.why for step in waits if step.tell is Tell.AT_ONCE]
    lasting = [step.why for step in waits if step.tell is Tell.IF_IT_LASTS]
    promised = pmap({create_id: result.value for create_id, result in creates if result.error is None})
    verdict = Verdict.AGAIN
    if len(terminal) + len(hopeless) == len(results):
        verdict = Verdict.BLOCKED
    elif promised and any(step.more for step in waits):
        verdict = Verdict.MORE
    return Outcome(
        verdict,
        reasons=tuple(sorted({*sentences(terminal), *hopeless})),
        troubles=tuple(sorted({*sentences([error for error in errors if not error.terminal]), *lasting})),
        promised=promised,
        withdrawn=frozenset(create_id for create_id, result in creates if is_refusal(result.error)),
        refusals=sentences([result.error for _, result in creates if result.error and result.error.terminal]),
    )


def judge_blindness(error: CloudError, refusal: Refusal | None) -> Outcome:
    """What a pass came to that could not even look at the group's servers. What Nova refused before, it still does."""
    refused = tuple(refusal.reasons) if refusal is not None else ()
    if error.terminal:
        return Outcome(Verdict.BLOCKED, reasons=tuple(sorted({error.user_message, *refused})))
    return Outcome(Verdict.AGAIN, reasons=refused, troubles=(error.user_message,))


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
