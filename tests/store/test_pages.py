"""What is read for a page of a list: that page, however much there is besides it."""

import re

from attrs import define, field
from twisted.trial.unittest import TestCase

from otter.domain.group import GroupId, Status
from otter.domain.limits import Page
from otter.domain.webhook import webhook_of
from otter.store.sqlite.database import Inline
from otter.store.sqlite.store import SQLiteStore
from tests.worlds import a_group, a_policy

MINE, NEIGHBOUR, STRANGER = GroupId("111", "mine"), GroupId("111", "neighbour"), GroupId("222", "mine")
PAGE = Page(limit=5, marker="010")
SEARCH = re.compile(r"SEARCH \w+ USING (INDEX \w+|PRIMARY KEY) \(.*\)|CORRELATED SCALAR SUBQUERY \d+")
"""SQLite goes to its place in an index. What else it may say is SCAN, or USE TEMP B-TREE FOR ORDER BY."""


@define
class Watched(Inline):
    """:ivar reads: SQL, arguments and number of rows of each read."""

    reads: list = field(factory=list)

    def read(self, sql, arguments=()):
        rows = super().read(sql, arguments)
        self.reads.append((sql, arguments, len(rows)))
        return rows


def plan_of(database, sql, arguments):
    """What SQLite says that it does."""
    return [step for *_, step in Inline.read(database, f"EXPLAIN QUERY PLAN {sql}", arguments)]


class Pages:
    """Whoever inherits says how to ``fill`` a store with a list of items, and how to get a page of it with ``list``."""

    async def make_store(self, items, others=0):
        """:param items: in the list that is read. :param others: in each of two lists beside it."""
        store = SQLiteStore(Watched())
        self.addCleanup(store.database.close)
        for owner, number in ((MINE, items), (NEIGHBOUR, others), (STRANGER, others)):
            await self.fill(store, owner, [f"{item:03}" for item in range(number)])
        store.database.reads.clear()
        return store

    async def steps(self, store, page):
        """How many steps SQLite's own machine took; every row that it looks at takes some, whether it is shown or not."""
        taken = []
        store.database.connection.set_progress_handler(lambda: taken.append(1), 1)
        await self.list(store, page)
        store.database.connection.set_progress_handler(None, 1)
        return len(taken)

    async def test_no_more_rows_are_fetched_than_shown(self):
        store = await self.make_store(60, others=60)
        shown = await self.list(store, PAGE)
        self.assertEqual(list(map(self.id_of, shown)), ["011", "012", "013", "014", "015"])
        *checks, (_, _, rows) = store.database.reads
        self.assertEqual(rows, PAGE.limit)
        self.assertEqual([rows for _, _, rows in checks], [1] * self.parents)

    async def test_every_read_is_a_search_in_an_index_and_nothing_is_sorted(self):
        store = await self.make_store(60, others=60)
        await self.list(store, PAGE)
        plans = [plan_of(store.database, sql, arguments) for sql, arguments, _ in store.database.reads]
        self.assertEqual([step for plan in plans for step in plan if not SEARCH.fullmatch(step)], [])
        self.assertTrue(plans[-1][0].endswith(" AND id>?)"), plans[-1])

    async def test_what_is_not_on_the_page_costs_nothing(self):
        small, large = await self.make_store(16), await self.make_store(600, others=600)
        self.assertEqual(await self.steps(small, PAGE), await self.steps(large, PAGE))

    async def test_a_page_far_into_the_list_costs_as_much_as_an_early_one(self):
        store = await self.make_store(600)
        self.assertEqual(await self.steps(store, PAGE), await self.steps(store, Page(PAGE.limit, "580")))

    async def test_each_item_more_costs_as_much_as_the_one_before(self):
        store = await self.make_store(600)
        [five, six, seven, hundred] = [await self.steps(store, Page(limit, "010")) for limit in (5, 6, 7, 100)]
        self.assertEqual(seven - six, six - five)
        self.assertEqual(hundred - five, 95 * (six - five))


class GroupPageTests(Pages, TestCase):
    parents = 0

    async def fill(self, store, owner, ids):
        """Groups do not belong to a group: they are told apart by their tenants, and the neighbour's are in a third."""
        tenant = "333" if owner is NEIGHBOUR else owner.tenant
        for id in ids:
            await store.create_group(a_group(group_id=GroupId(tenant, id)), [], 10_000)

    async def list(self, store, page):
        return await store.list_groups(MINE.tenant, page)

    async def test_groups_that_are_being_deleted_cost_nothing(self):
        store = await self.make_store(60)
        steps = await self.steps(store, PAGE)
        await self.fill(store, MINE, [f"010-{number}" for number in range(100)])
        for number in range(100):
            deleting = GroupId(MINE.tenant, f"010-{number}")
            await store.change_group(deleting, lambda group: group.asked(status=Status.DELETING))
        self.assertEqual(await self.steps(store, PAGE), steps)

    def id_of(self, group):
        return group.id.group


class PolicyPageTests(Pages, TestCase):
    parents = 1

    async def fill(self, store, owner, ids):
        await store.create_group(a_group(group_id=owner), [a_policy(id) for id in ids], 2)

    async def list(self, store, page):
        return await store.list_policies(MINE, page)

    def id_of(self, policy):
        return policy.id


class WebhookPageTests(Pages, TestCase):
    parents = 2

    async def fill(self, store, owner, ids):
        await store.create_group(a_group(group_id=owner), [a_policy("p1"), a_policy("p2")], 2)
        for policy in ("p1", "p2"):
            hooks = [(webhook_of(id, "k1", {"name": id}), f"{owner} {policy} {id}") for id in ids]
            await store.create_webhooks(owner, policy, hooks, len(hooks))

    async def list(self, store, page):
        return await store.list_webhooks(MINE, "p1", page)

    def id_of(self, webhook):
        return webhook.id
