"""The simulated coordination keeps what every back end promises, and its processes lose their shares as they should."""

import time
from random import Random

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import TestCase

from otter.coordination.interface import Coordination
from otter.domain.shares import SHARES
from tests.contracts.coordination import SharingContract
from tests.sim.coordination import Coordinator, Hints, Seat, is_divided
from tests.sim.time import ProcessClock, Time

ALL = set(range(SHARES))


@define(eq=False)
class Sitting(Service):
    seat: Seat

    def startService(self) -> None:
        super().startService()
        self.seat.start()

    def stopService(self) -> Deferred:
        super().stopService()
        self.seat.leave()
        return succeed(None)


@define(eq=False)
class World:
    """A coordinator, and processes that want their part of the work; numbers are drawn by counting."""

    time: Time = field(factory=Time)
    coordinator: Coordinator = field(init=False)
    seats: list[Seat] = field(factory=list)
    numbers: int = 0

    def __attrs_post_init__(self) -> None:
        self.coordinator = Coordinator(self.time, Random(1), timeout=2.0)

    def seat(self) -> Seat:
        self.seats.append(Seat(self.coordinator, ProcessClock(self.time), f"p{len(self.seats)}", self.number))
        return self.seats[-1]

    async def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def pass_time(self, seconds: float) -> None:
        """No share has two owners at any moment."""
        end = self.time.now + seconds
        while self.time.now < end:
            self.time.run_until(self.time.now + 0.01)
            held = [share for seat in self.seats for share in seat.held()]
            assert len(held) == len(set(held))


class TestSimulatedCoordination(SharingContract, TestCase):
    """Its time goes as fast as that on the wall."""

    session = 2.0

    def setUp(self) -> None:
        super().setUp()
        self.world, began = World(), time.monotonic()
        begin = self.world.time.now
        going = LoopingCall(lambda: self.world.time.run_until(begin + time.monotonic() - began))
        going.start(0.001)
        self.addCleanup(going.stop)

    async def make_process(self) -> Coordination:
        seat = self.world.seat()
        hints = Hints(seat.clock, lambda: "", seat)
        trouble = lambda: None if seat.believes else "nobody answers"
        return Coordination(hints, seat, seat, trouble, (Sitting(seat),))


def fleet(world: World, count: int) -> list[Seat]:
    """So many among whom all work is divided."""
    seats = [world.seat() for _ in range(count)]
    for seat in seats:
        seat.start()
    world.pass_time(1.0)
    assert is_divided(world.coordinator)
    return seats


def test_who_is_stopped_believes_in_nothing_when_others_have_its_shares() -> None:
    world = World()
    first, second = fleet(world, 2)
    first.clock.freeze(5.0)
    world.pass_time(4.0)
    assert set(second.held()) == ALL
    assert not first.held()
    world.pass_time(2.0)
    assert is_divided(world.coordinator)
    assert len(first.held()) == SHARES / 2


def test_who_is_stopped_for_a_moment_keeps_what_it_has() -> None:
    world = World()
    first, _ = fleet(world, 2)
    before = {share: first.fence(share) for share in first.held()}
    first.clock.freeze(0.9)
    world.pass_time(2.0)
    assert {share: first.fence(share) for share in first.held()} == before


def test_who_cannot_reach_the_coordinator_loses_its_shares() -> None:
    world = World()
    first, second = fleet(world, 2)
    world.coordinator.cut.add(first.name)
    world.pass_time(4.0)
    assert set(second.held()) == ALL
    world.coordinator.cut.clear()
    world.pass_time(2.0)
    assert is_divided(world.coordinator)


def test_while_the_coordinator_is_away_nobody_has_any_share_and_afterwards_all_is_as_it_was() -> None:
    world = World()
    seats = fleet(world, 2)
    before = [set(seat.held()) for seat in seats]
    world.coordinator.away = True
    world.pass_time(10.0)
    assert [set(seat.held()) for seat in seats] == [set(), set()]
    world.coordinator.come_back()
    world.pass_time(2.0)
    assert [set(seat.held()) for seat in seats] == before


def test_when_the_coordinator_has_lost_its_data_two_may_believe_in_a_share_but_under_different_fences() -> None:
    world = World()
    first, second = fleet(world, 2)
    first.clock.freeze(1.0)
    world.coordinator.forget()
    world.time.run_until(world.time.now + 0.9)
    both = set(first.held()) & set(second.held())
    assert both
    assert all(first.fence(share) < second.fence(share) for share in both)
    world.time.run_until(world.time.now + 3.0)
    assert is_divided(world.coordinator)
