"""
What coordination must do, for one process and for several. A back end inherits this and says how to make a process.

A process here is a ``Coordination`` with its services started, inside the process of the tests.
"""

import time

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial.unittest import TestCase

from otter.domain.group import GroupId
from otter.domain.shares import SHARES, share_of
from tests.worlds import GROUP_ID

OTHER = GroupId("111", "g2")
ALL = set(range(SHARES))


async def sleep(seconds: float) -> None:
    await deferLater(reactor, seconds)


async def until(what, seconds: float = 60.0):
    """Wait until ``what()`` is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await sleep(0.01)
    return value


def held_by(*processes) -> list[int]:
    """All shares that anybody has, once for each who has them."""
    return sorted(share for process in processes for share in process.shares.held())


def tenants_of(process) -> list[str]:
    """Some whose groups it works on, each in a share of its own."""
    by_share = {share_of(tenant): tenant for tenant in map(str, range(2000))}
    return [by_share[share] for share in process.shares.held() if share in by_share]


def fences_of(*processes) -> dict[int, int]:
    return {share: process.shares.fence(share) for process in processes for share in process.shares.held()}


def ten_thousand(tenant: str) -> list[GroupId]:
    return [GroupId(tenant, f"g{number}") for number in range(10_000)]


class CoordinationContract:
    """
    Mix into a ``TestCase`` that has ``make_process()``, which comes to a ``Coordination`` that is not started.

    It may be called again when the one before has stopped, for the next life of the same work.
    """

    async def start(self: TestCase):
        process = await self.make_process()
        for service in process.services:
            service.startService()
        self.addCleanup(self.stop, process)
        return process

    def stop(self, process):
        running = [service for service in process.services if service.running]
        return gatherResults([service.stopService() for service in running])

    async def start_owner(self: TestCase):
        """One that has every share."""
        process = await self.start()
        await until(lambda: held_by(process) == sorted(ALL))
        return process

    async def test_one_that_is_alone_has_every_share_under_a_fence(self: TestCase):
        process = await self.start_owner()
        self.assertEqual({type(process.shares.fence(share)) for share in ALL}, {int})

    async def test_one_that_is_alone_leads(self: TestCase):
        process = await self.start_owner()
        self.assertTrue(process.leader.leads)

    async def test_one_that_has_its_shares_is_in_no_trouble(self: TestCase):
        process = await self.start_owner()
        self.assertIsNone(process.trouble())

    async def test_the_next_life_has_higher_fences(self: TestCase):
        first = await self.start_owner()
        before = fences_of(first)
        await self.stop(first)
        after = fences_of(await self.start_owner())
        self.assertTrue(all(before[share] < after[share] for share in ALL))

    async def test_whoever_works_on_the_group_is_woken(self: TestCase):
        process, woken = await self.start_owner(), []
        process.marks.subscribe(woken.append)
        await process.marks.mark(GROUP_ID)
        await process.marks.mark(OTHER)
        await until(lambda: set(woken) == {GROUP_ID, OTHER})

    async def test_a_hint_after_a_hint_is_heard_too(self: TestCase):
        process, woken = await self.start_owner(), []
        process.marks.subscribe(woken.append)
        await process.marks.mark(GROUP_ID)
        await until(lambda: woken)
        woken.clear()
        await process.marks.mark(GROUP_ID)
        await until(lambda: woken == [GROUP_ID])

    async def test_a_hint_that_nobody_listens_to_disturbs_nobody(self: TestCase):
        process = await self.start_owner()
        await process.marks.mark(GROUP_ID)


class SharingContract(CoordinationContract):
    """For a back end of several processes: ``make_process()`` may be called while others run."""

    async def start_fleet(self: TestCase, count: int):
        """So many among whom all shares are divided, evenly."""
        fleet = [await self.start() for _ in range(count)]
        await self.settled(*fleet)
        return fleet

    async def settled(self, *fleet):
        most = -(-SHARES // len(fleet))
        await until(lambda: held_by(*fleet) == sorted(ALL) and all(len(held_by(one)) <= most for one in fleet))

    def watch(self: TestCase, *fleet):
        """
        Whatever happens from now on: no share may have two owners, nor may two lead. Nothing is between two looks.
        """
        seen = []

        def look():
            held = held_by(*fleet)
            seen.append(len(held))
            doubled = {share for share in held if held.count(share) > 1} if len(held) != len(set(held)) else set()
            self.assertEqual(doubled, set())
            self.assertLessEqual(sum(process.leader.leads for process in fleet), 1)

        watching = LoopingCall(look)
        watched = watching.start(0.003)
        watched.addErrback(self.failures.append)

        def end():
            if watching.running:
                watching.stop()
            self.assertEqual([str(failure.value) for failure in self.failures], [])
            self.assertGreater(len(seen), 10)

        self.addCleanup(end)
        return seen

    def setUp(self):
        self.failures = []

    async def test_all_shares_are_spread_evenly(self: TestCase):
        fleet = await self.start_fleet(3)
        await until(lambda: sorted(len(held_by(process)) for process in fleet) == [84, 86, 86])

    async def test_exactly_one_leads(self: TestCase):
        fleet = await self.start_fleet(3)
        self.assertEqual(sum(process.leader.leads for process in fleet), 1)

    async def test_who_joins_gets_his_part_and_little_else_moves(self: TestCase):
        first, second = await self.start_fleet(2)
        before = {process: set(held_by(process)) for process in (first, second)}
        third = await self.start()
        await self.settled(first, second, third)
        kept = sum(len(before[process] & set(held_by(process))) for process in (first, second))
        least = SHARES - 86  # What must move, if the third is to have as much as the others.
        self.assertGreaterEqual(kept, least - SHARES // 10)

    async def test_who_leaves_hands_over_at_once_and_little_else_moves(self: TestCase):
        first, second, third = await self.start_fleet(3)
        before = {process: set(held_by(process)) for process in (first, second)}
        began = time.monotonic()
        await self.stop(third)
        await until(lambda: held_by(first, second) == sorted(ALL))
        self.assertLess(time.monotonic() - began, self.session)
        await self.settled(first, second)
        kept = sum(len(before[process] & set(held_by(process))) for process in (first, second))
        self.assertGreaterEqual(kept, sum(map(len, before.values())) - SHARES // 10)

    async def test_nobody_has_a_share_that_another_has_whoever_comes_and_goes(self: TestCase):
        fleet = [await self.make_process() for _ in range(4)]
        seen = self.watch(*fleet)
        for process in fleet:
            self.addCleanup(self.stop, process)
        for process in (fleet[0], fleet[1], fleet[2]):
            process.services[0].startService()
            await sleep(0.4)
        await self.settled(*fleet[:3])
        await self.stop(fleet[0])
        fleet[3].services[0].startService()
        await self.settled(*fleet[1:])
        self.assertIn(SHARES, seen)

    async def test_every_new_owner_has_a_higher_fence(self: TestCase):
        fleet, highest = [await self.start_owner()], {}
        owners = dict.fromkeys(ALL, fleet[0])
        for number in range(4):
            before = fences_of(*fleet)
            if number % 2:
                await self.stop(fleet.pop(0))
            else:
                fleet.append(await self.start())
            await self.settled(*fleet)
            after = fences_of(*fleet)
            owners_now = {share: process for process in fleet for share in held_by(process)}
            moved = {share for share in ALL if owners_now[share] is not owners[share]}
            self.assertTrue(moved)
            self.assertTrue(all(after[share] > before[share] for share in moved))
            self.assertTrue(all(after[share] >= before[share] for share in ALL))
            owners, highest = owners_now, after
        self.assertEqual(set(highest), ALL)

    async def test_who_gets_shares_is_told_which(self: TestCase):
        first = await self.start_owner()
        second, told = await self.make_process(), set()
        second.shares.subscribe(told.update)
        self.addCleanup(self.stop, second)
        second.services[0].startService()
        await self.settled(first, second)
        self.assertEqual(told, set(held_by(second)))

    async def test_a_hint_wakes_the_owner_wherever_it_is_given(self: TestCase):
        fleet, woken = await self.start_fleet(3), []
        for process in fleet:
            process.marks.subscribe(lambda group_id, process=process: woken.append((process, group_id)))
        groups = [GroupId(f"t/{number} é", "..") for number in range(20)]
        for group_id in groups:
            for process in fleet:
                await process.marks.mark(group_id)
        owners = {share: process for process in fleet for share in held_by(process)}
        await until(lambda: set(woken) == {(owners[share_of(group_id.tenant)], group_id) for group_id in groups})

    async def test_a_hint_that_was_given_while_nobody_had_the_share_is_told_to_whoever_gets_it(self: TestCase):
        (first, second), woken = await self.start_fleet(2), []
        group_id = GroupId(tenants_of(second)[0], "g")
        first.marks.subscribe(woken.append)
        second.shares.stop()  # It does not work any more, but its claims stay until it ends.
        await first.marks.mark(group_id)
        await sleep(0.2)
        self.assertEqual(woken, [])
        await self.stop(second)
        await until(lambda: woken == [group_id])

    async def test_no_hint_is_lost_while_its_owner_deletes_others_for_the_same_group(self: TestCase):
        first, second = await self.start_fleet(2)
        group_id = GroupId(tenants_of(second)[0], "g")
        asked, looked = [0], [0]
        second.marks.subscribe(lambda group_id: looked.__setitem__(0, asked[0]))
        for number in range(1, 200):
            asked[0] = number
            await first.marks.mark(group_id)
            await sleep(0.001 * (number % 7))
        await until(lambda: looked[0] == asked[0])

    async def test_of_ten_thousand_hints_at_once_all_are_heard_or_everything_is_to_be_looked_at(self: TestCase):
        first, second = await self.start_fleet(2)
        [tenant, *_], woken, swept = tenants_of(second), set(), []
        groups = ten_thousand(tenant)
        second.marks.subscribe(woken.add)
        second.shares.subscribe(swept.extend)
        for group_id in groups:
            await first.marks.mark(group_id)
        await until(lambda: share_of(tenant) in swept or woken == set(groups))

    async def test_hints_of_others_do_not_wait_behind_ten_thousand(self: TestCase):
        first, second = await self.start_fleet(2)
        [tenant, other, *_], woken = tenants_of(second), []
        second.marks.subscribe(woken.append)
        for number, group_id in enumerate(ten_thousand(tenant)):
            await first.marks.mark(group_id)
            if number % 100 == 0:
                await sleep(0)  # So that some are sent one by one.
        behind = len(woken)
        await first.marks.mark(GroupId(other, "g"))
        await until(lambda: GroupId(other, "g") in woken)
        self.assertLess(woken.index(GroupId(other, "g")) - behind, 2_000)
