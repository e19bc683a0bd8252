"""Passes over a toy cloud: the real pass, the real store, no sockets, no threads, no waiting."""

from typing import Any

from twisted.internet.defer import CancelledError, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from otter.cloud.errors import ApiError
from otter.convergence.iterate import Pass
from otter.domain.group import Status
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.worlds import GROUP_ID, Even, ToyCloud, a_group

QUOTA = ApiError(403, '{"forbidden": {"message": "Quota exceeded for ram: Requested 1"}}')


class PassTestCase(SynchronousTestCase):
    """A group, its store, its cloud, and what a test does with them."""

    def setUp(self):
        self.clock, self.cloud = Clock(), ToyCloud()
        self.clock.advance(1_000_000.0)
        self.store = SQLiteStore(Inline())
        self.begin_process()

    def begin_process(self):
        self.run_pass = Pass(self.store, self.cloud, self.clock, monotonic=self.clock.seconds, random=Even())

    def now(self, coroutine):
        return self.successResultOf(ensureDeferred(coroutine))

    def group_of(self, desired: int, **args: Any):
        """``args``: more of the launch configuration's."""
        self.now(self.store.create_group(a_group(desired, args=args), [], 10))

    def grown(self, desired: int, **args: Any):
        """``group_of``, with all its servers in service."""
        self.group_of(desired, **args)
        self.converge()
        self.cloud.changes.clear()

    def change(self, change):
        self.now(self.store.change_group(GROUP_ID, change, even_deleting=True))

    def resize(self, desired: int):
        self.change(lambda group: group.asked(desired=desired))

    def delete(self):
        self.change(lambda group: group.asked(desired=0, status=Status.DELETING))

    def one_pass(self):
        return self.now(self.run_pass(GROUP_ID))

    def passes(self, count: int):
        for _ in range(count):
            self.one_pass()

    def dying_pass(self):
        """A pass that ends because the process does. What it had asked of the cloud, it had asked."""
        self.failureResultOf(ensureDeferred(self.run_pass(GROUP_ID)), CancelledError)
        self.cloud.refuse = lambda request: None
        self.begin_process()

    def group(self):
        return self.now(self.store.get_group(GROUP_ID, even_deleting=True))

    def state(self):
        return self.group().state

    def active(self):
        return {member.id for member in self.group().roster.active}

    def wait_for_look(self):
        """Until the next pass is due."""
        self.clock.advance(max(0.0, self.state().due - self.clock.seconds()))

    def converge(self):
        for count in range(1, 20):
            if self.one_pass().state.due is None:
                return count
        self.fail("did not get done")

    def end(self):
        """Passes until the group is no more."""
        for _ in range(20):
            if self.one_pass() is None:
                return
        self.fail("did not come to an end")

    def refusing(self, path, error):
        self.cloud.refuse = lambda request: error if request.path == path and request.method != "GET" else None

    def unreadable(self, *beginnings, error=ApiError(503, "")):  # noqa: B008 - errors are frozen
        """From now on nothing can be read whose path begins with one of these."""
        self.cloud.refuse = lambda request: error if request.path.startswith(beginnings) else None

    def creates(self):
        return self.cloud.changes.count("POST servers")
