"""What every kind of load balancer can do; ``tests/contracts/balancer.py`` holds them to it."""

from collections.abc import Callable, Collection, Sequence

from attrs import frozen
from effect import Effect, catch

from otter.cloud.errors import CloudError, Hopeless, NoSuchEndpoint
from otter.domain.balancers import Access, Balancer, Node, Traits
from otter.domain.events import Notice


class BalancerGone(Hopeless):
    """The load balancer does not exist any more, or will not soon."""


class BalancerFull(Hopeless):
    """The load balancer takes no more nodes."""


@frozen
class Kind:
    """
    One kind of load balancer. Its functions take the load balancer's id first, and return Effects.

    :ivar read: the ``Balancer``.
    :ivar add: nothing; puts the nodes on it that it lacks, as many as there is room for, given how many it has. Fails with
        ``BalancerGone``, ``BalancerFull``.
    :ivar change: nothing; gives the node the condition, weight and type it has here. Fine if there is no such node.
    :ivar remove: nothing; fine if they are gone already, and if the whole load balancer is.
    :ivar adding: not an Effect: what owners are told when these nodes are to be added. So are ``changing`` and ``removing``.
    """

    traits: Traits
    read: Callable[[str], Effect]
    add: Callable[[str, Collection[Node], int], Effect]
    change: Callable[[str, Node], Effect]
    remove: Callable[[str, Collection[Node]], Effect]
    adding: Callable[[str, Collection[Node]], list[Notice]]
    changing: Callable[[str, Collection[Node]], list[Notice]]
    removing: Callable[[str, Collection[Node]], list[Notice]]

    def look(self, lb_id: str) -> Effect:
        """Effect of the ``Balancer``, whatever happens: one that is broken does not hide the others."""

        def broken(error: CloudError) -> Balancer:
            # Where there is no such service there are no nodes either.
            closed = isinstance(error, (BalancerGone, NoSuchEndpoint))
            return Balancer(self.traits, access=Access.CLOSED if closed else Access.UNREADABLE, why=error.user_message)

        return self.read(lb_id).on(error=catch(CloudError, broken))


def in_order(nodes: Collection[Node]) -> Sequence[Node]:
    """The same each time, so that requests are."""
    return sorted(nodes, key=lambda node: (node.target, node.host, node.id))
