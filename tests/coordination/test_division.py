"""Who is to have which shares, worked out by each for himself."""

from hypothesis import given
from hypothesis import strategies as st

from otter.coordination.zookeeper.division import divided
from otter.domain.shares import SHARES

members = st.sets(st.uuids().map(str), min_size=1, max_size=24)


@given(members)
def test_every_share_has_one_owner_and_nobody_has_more_than_his_part(names):
    parts = divided(names)
    assert sorted(share for part in parts.values() for share in part) == list(range(SHARES))
    assert max(map(len, parts.values())) <= -(-SHARES // len(names))


@given(members)
def test_the_order_in_which_members_are_listed_changes_nothing(names):
    assert divided(sorted(names)) == divided(sorted(names, reverse=True))


@given(members, st.uuids().map(str))
def test_few_more_shares_move_than_must_when_one_joins_or_leaves(names, another):
    before, after = divided(names), divided(names | {another})
    must = len(after[another]) if another not in names else 0
    moved = sum(len(before[name] - after[name]) for name in names)
    assert moved <= must + SHARES // 8
