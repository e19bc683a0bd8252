import pytest
from pyrsistent import pset

from otter.domain.access import Caller, Rights, Roles

ROLES = Roles(admin=("admin", "autoscale"), observer=("observer",))


@pytest.mark.parametrize(
    ("roles", "rights"),
    [
        ([], Rights.NONE),
        (["cook"], Rights.NONE),
        (["observer"], Rights.OBSERVE),
        (["cook", "observer"], Rights.OBSERVE),
        (["autoscale"], Rights.EVERYTHING),
        (["observer", "admin"], Rights.EVERYTHING),
    ],
)
def test_the_most_powerful_role_decides(roles, rights):
    assert ROLES.rights_of(Caller("111", pset(roles))) is rights


def test_whoever_may_do_everything_may_look():
    assert ROLES.sufficient(Rights.OBSERVE) == ("admin", "autoscale", "observer")
    assert ROLES.sufficient(Rights.EVERYTHING) == ("admin", "autoscale")
    assert Rights.NONE < Rights.OBSERVE < Rights.EVERYTHING
