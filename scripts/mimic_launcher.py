"""
Starts Mimic, the simulated cloud, with two names that it still asks for and that newer libraries dropped.

Without ``attr.validators.provides`` Mimic comes up silently without its load balancers; without ``inspect.getargspec`` its
catalog cannot be administered, so no proxy could be put in front of a service. Arguments are those of twistd.
"""

import inspect
import sys
from collections import namedtuple

import attr.validators
from twisted.scripts.twistd import run

ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")


def provides(interface):
    """An attrs validator: the value provides the zope ``interface``."""

    def check(instance, attribute, value):
        if not interface.providedBy(value):
            raise TypeError(f"{attribute.name} must provide {interface.__name__}")

    return check


if not hasattr(attr.validators, "provides"):
    attr.validators.provides = provides
if not hasattr(inspect, "getargspec"):
    inspect.getargspec = lambda function: ArgSpec(*inspect.getfullargspec(function)[:4])

if __name__ == "__main__":
    sys.argv[0] = "twistd"
    sys.exit(run())
