"""The judge of ``make test-cluster`` finds what is wrong, and nothing else."""

import pytest

from tests.cluster.books import Books, Page


@pytest.fixture
def books():
    books = Books({"g": Page(), "other": Page()})
    for acknowledged in (True, True, False, True):
        books.count("g", acknowledged)
    return books


@pytest.mark.parametrize("desired", [3, 4])
def test_an_execution_of_which_nobody_knows_counts_or_does_not(books, desired):
    assert books.judge("g", desired) is None


def test_one_that_was_acknowledged_and_is_not_counted_is_lost(books):
    assert books.judge("g", 2) == "Group g has desiredCapacity 2, and it must be from 3 to 4: executions were lost."


def test_one_that_counts_twice_is_too_many(books):
    assert "counted twice" in books.judge("g", 5)
    assert "must be 0: executions were counted twice" in books.judge("other", 1)


@pytest.mark.parametrize(("status", "retry_after"), [(202, None), (503, "5")])
def test_done_and_not_now_are_good_answers(books, status, retry_after):
    books.answered(status, retry_after, "POST")
    assert books.wrong == []


@pytest.mark.parametrize(("status", "retry_after"), [(503, None), (500, "5"), (404, None), (403, None)])
def test_all_others_are_wrong(books, status, retry_after):
    books.answered(status, retry_after, "POST")
    assert len(books.wrong) == 1


def test_the_slowest_refusal_is_known_of_what_was_asked_since(books):
    books.measure(since=10.0)
    for status, asked, now in [(503, 9.0, 30.0), (503, 10.0, 11.0), (503, 11.0, 18.5), (202, 12.0, 21.0)]:
        books.answered(status, "5", "POST", asked, now)
    assert books.slowest_refusal == 7.5
