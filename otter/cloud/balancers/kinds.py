"""All kinds of load balancer."""

from collections.abc import Mapping

from otter.cloud.balancers.clb import CLOUD_LOAD_BALANCER
from otter.cloud.balancers.interface import Kind
from otter.cloud.balancers.rackconnect import RACKCONNECT_V3

KINDS: Mapping[str, Kind] = {"CloudLoadBalancer": CLOUD_LOAD_BALANCER, "RackConnectV3": RACKCONNECT_V3}
"""By their names in launch configurations and on servers."""
