"""Callers who want the same thing at the same time share one way of getting it."""

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred

T = TypeVar("T")


@define
class Shared(Generic[T]):
    """Work under way, and who waits for it."""

    _waiting: dict[Hashable, list[Deferred]] = field(init=False, factory=dict, repr=False)

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``work()`` comes to, or what is under way for the same ``key``. It goes on if those who wait give up."""
        answer: Deferred = Deferred()
        waiters = self._waiting.setdefault(key, [])
        waiters.append(answer)
        if len(waiters) == 1:
            ensureDeferred(work()).addBoth(self._tell, key)
        return await answer

    def _tell(self, result: Any, key: Hashable) -> None:
        for waiter in self._waiting.pop(key):
            if not waiter.called:
                waiter.callback(result)  # a Failure passed to callback() comes out as an error
