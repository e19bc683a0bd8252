"""The checker behind ``make rows`` finds each way in which a row can be without a test."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.rows import claims_in, numbers_in, rows_of, summary
from tests.rig.processes import REPOSITORY

TABLE = """
| # | Clients rely on | Shown by |
|---|---|---|
| 1 | one thing \\| or another | `tests/test_some.py::test_row_1_is_so` |
| 2 | two things | `tests/test_some.py::test_rows_2_and_3_are_so`, `tests/test_some.py::test_row_2_too` |
| 3 | a third | `tests/test_some.py::test_rows_2_and_3_are_so` |
"""
TESTS = """
import pytest

@pytest.mark.parametrize("value", [1, 2])
def test_row_1_is_so(value):
    pass

def test_rows_2_and_3_are_so():
    pass

def test_row_2_too():
    pass

def test_something_else():
    assert False
"""
ONE_IN_TWO = "@pytest.mark.parametrize('value', [1, 2])\ndef test_row_1_is_so(value):\n    "
NOT_SHOWN = [
    ("failed", ONE_IN_TWO + "assert value == 1"),
    ("skipped", ONE_IN_TWO + "value == 1 or pytest.skip()"),
    ("skipped", "@pytest.mark.skip\ndef test_row_1_is_so():\n    pass"),
    ("expected to fail", "@pytest.mark.xfail\ndef test_row_1_is_so():\n    assert False"),
    ("expected to fail", "@pytest.mark.xfail\ndef test_row_1_is_so():\n    pass"),
    ("failed", "@pytest.fixture\ndef bad():\n    yield\n    assert 0\n\ndef test_row_1_is_so(bad):\n    pass"),
    ("failed", "@pytest.fixture\ndef bad():\n    assert 0\n\ndef test_row_1_is_so(bad):\n    pass"),
]
"""What is said of a test that shows nothing, and such a test."""


def house(folder: Path, tests: str = TESTS, table: str = TABLE) -> Path:
    """A place with these tests and this table."""
    for name, content in {
        "tests/test_some.py": tests,
        "docs/compatibility.md": table,
        "pytest.ini": "[pytest]",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    return folder


def checked(root: Path, *options: str) -> tuple[int, list[str], str]:
    """What ``make rows`` comes to there: exit status, what is wrong, the last line."""
    command = [sys.executable, str(REPOSITORY / "scripts/rows.py"), str(root), *options]
    ended = subprocess.run(command, check=False, cwd=root, capture_output=True, text=True, timeout=60)
    *lines, last = ended.stdout.splitlines()
    return ended.returncode, sorted({line for line in lines if line.startswith("row ")}), last


def wrong(root: Path, *options: str) -> list[str]:
    """What is wrong there; something is."""
    status, complaints, _ = checked(root, "-n", "0", *options)
    assert status == 1
    return complaints


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("test_row_9_get_works", {9}),
        ("test_rows_26_29_and_30_a_bad_one", {26, 29, 30}),
        ("test_row_20_and_49_a_group_takes_100_policies", {20, 49}),
        ("test_row_4_and_scenario_12_both", {4}),
        ("test_row_7", {7}),
        ("test_a_row_9", set()),
        ("test_rows_are_read", set()),
        ("test_row_9th_of_many", set()),
    ],
)
def test_names_carry_numbers(name, numbers):
    assert numbers_in(name) == numbers


def test_a_table_whose_rows_are_all_shown_is_fine(tmp_path):
    assert checked(house(tmp_path), "-n", "0") == (0, [], "3 of 3 rows are shown by 3 tests")


def test_what_workers_saw_counts_too(tmp_path):
    bad = TESTS.replace("pass", "assert value == 1", 1)
    said = ["row 1: tests/test_some.py::test_row_1_is_so was failed"]
    assert checked(house(tmp_path, bad)) == (1, said, "2 of 3 rows are shown by 3 tests")


def test_a_row_without_a_test_is_named(tmp_path):
    assert wrong(house(tmp_path, table=TABLE + "| 4 | a fourth | |\n")) == ["row 4: no test carries its number"]


def test_a_test_without_a_row_is_named(tmp_path):
    [complaint] = wrong(house(tmp_path, TESTS + "\ndef test_row_5_is_news():\n    pass\n"))
    assert complaint.startswith("row 5: tests/test_some.py::test_row_5_is_news carries its number")


def test_a_test_that_the_table_does_not_name_is_named(tmp_path):
    [complaint] = wrong(house(tmp_path, TESTS + "\ndef test_row_3_again():\n    pass\n"))
    assert complaint.startswith("row 3: tests/test_some.py::test_row_3_again carries its number")


@pytest.mark.parametrize("other", ["test_some.py::test_row_1_is_gone", "test_none.py::test_row_1_is_so"])
def test_a_test_that_does_not_exist_is_named(tmp_path, other):
    table = TABLE.replace("| `tests/", f"| `tests/{other}`, `tests/", 1)
    [complaint] = wrong(house(tmp_path, table=table))
    assert complaint.startswith(f"row 1: the table names tests/{other}")


@pytest.mark.parametrize(("how", "test"), NOT_SHOWN)
def test_a_test_that_did_not_pass_with_all_its_parameters_shows_nothing(tmp_path, how, test):
    start, end = TESTS.index("@pytest"), TESTS.index("def test_rows_2")
    tests = TESTS[:start] + test + "\n\n" + TESTS[end:]
    assert wrong(house(tmp_path, tests)) == [f"row 1: tests/test_some.py::test_row_1_is_so was {how}"]


def test_a_test_that_did_not_run_shows_nothing(tmp_path):
    complaints = wrong(house(tmp_path), "--deselect", "tests/test_some.py::test_row_2_too")
    assert complaints == ["row 2: tests/test_some.py::test_row_2_too did not run"]


def test_a_file_that_cannot_be_collected_shows_nothing(tmp_path):
    complaints = wrong(house(tmp_path, "import nothing_at_all\n" + TESTS))
    assert len(complaints) == 4
    assert all(complaint.endswith("did not run") for complaint in complaints)


def test_a_row_cannot_be_there_twice():
    with pytest.raises(ValueError, match="row 3"):
        rows_of(TABLE + "| 3 | a third | |\n")


def test_the_summary_counts_rows_and_tests(tmp_path):
    rows, claims = rows_of(TABLE), claims_in(house(tmp_path))
    assert summary(rows, claims, ["row 2: x", "row 2: y", "row 5: z"]) == "2 of 3 rows are shown by 3 tests"
