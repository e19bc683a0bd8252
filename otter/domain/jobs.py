"""Jobs: what the worker engine has taken on of a group's work. (docs/engines.md, "The worker".)"""

from enum import Enum

from attrs import frozen
from pyrsistent import PMap, pmap


class Kind(Enum):
    LAUNCH = "LAUNCH"
    """A new server, until it is wherever it belongs. If that cannot be, it is undone: the server goes."""
    PLACE = "PLACE"
    """The same for a server that is active already; it stays in any case."""
    DELETE = "DELETE"
    """A server's way out, until nothing is left of it, or Nova has been at it for long enough."""


@frozen
class Job:
    """
    Work on one server. It is stored before anything is done about it, and until it is over, whoever does it.

    :ivar id: of the create that the server comes from; of the server, if it is known by nothing else.
    :ivar owner: which start of which process works on it.
    :ivar deadline: when a launch is given up, or a server that Nova says it is deleting not watched any longer (epoch seconds).
    :ivar server_id: None as long as there is none.
    :ivar attempt: how many servers this one took so far, itself included.
    :ivar stuck: nothing could be done for it when it was last tried.
    :ivar why: the launch has failed; a sentence for the owner, who is told until the next request. "" if it has not.
    """

    kind: Kind
    id: str
    owner: int
    deadline: float
    server_id: str | None = None
    attempt: int = 1
    stuck: bool = False
    why: str = ""

    @property
    def key(self) -> str:
        """The same server may be one launch's to undo and, as its successor, another's to wait for."""
        return f"{self.kind.value} {self.id}"


@frozen
class Jobs:
    """
    :ivar generation: the group's, of the last request for which all jobs were made.
    :ivar by_key: all that are not over.
    """

    generation: int = 0
    by_key: PMap[str, Job] = pmap()
