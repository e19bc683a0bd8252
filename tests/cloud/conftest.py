"""The simulated cloud and the fault proxy of the rig, for the contract of load balancers."""

from tests.rig.conftest import mimic, proxy

__all__ = ["mimic", "proxy"]
