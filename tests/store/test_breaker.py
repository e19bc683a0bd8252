"""When a cluster of which nobody answers is asked, and when not."""

from otter.store.cassandra.breaker import EVERY, TRIES, Breaker


def a_lost_one():
    """At second 10, of what was asked at second 5."""
    breaker = Breaker()
    breaker.failed(5.0, 10.0)
    return breaker


def let_through(breaker, now, asked=100):
    return sum(breaker.lets_through(now) for _ in range(asked))


def test_everything_is_let_through_at_first():
    assert let_through(Breaker(), 0.0) == 100


def test_after_a_failure_a_few_are_let_through_each_second_and_the_first_a_second_later():
    breaker = a_lost_one()
    found = [let_through(breaker, 10.0 + tenth * EVERY / 10) for tenth in range(31)]
    assert [tenth for tenth, number in enumerate(found) if number] == [10, 20, 30]
    assert sum(found) == 3 * TRIES


def test_an_answer_has_everything_let_through_again():
    breaker = a_lost_one()
    breaker.succeeded(10.5)
    assert let_through(breaker, 10.6) == 100


def test_a_failure_means_little_if_something_else_was_answered_meanwhile():
    breaker = Breaker()
    breaker.succeeded(6.0)
    breaker.failed(5.0, 10.0)
    assert let_through(breaker, 10.0) == 100
    breaker.failed(7.0, 12.0)
    assert let_through(breaker, 12.0) == 0


def test_those_who_have_waited_until_the_cluster_was_lost_need_not_be_sent_and_later_tries_are():
    breaker = a_lost_one()
    assert breaker.is_over_for(9.9)
    assert not breaker.is_over_for(11.0)
    breaker.succeeded(12.0)
    assert not breaker.is_over_for(9.9)


def test_failures_that_follow_do_not_put_off_the_next_try():
    breaker = a_lost_one()
    for now in (10.3, 10.6, 10.9):
        breaker.failed(6.0, now)
    assert let_through(breaker, 10.0 + EVERY) == TRIES
