"""What operators want otter to leave alone."""

from attrs import frozen


@frozen
class Hold:
    """
    While it lasts, nothing is changed in the cloud for the tenants that it covers; what they ask for is stored, and comes true
    afterwards. (docs/operations.md, "Holding otter".)

    :ivar everything: all tenants are covered.
    :ivar tenants: ids of those that are covered in any case.
    """

    everything: bool = False
    tenants: frozenset[str] = frozenset()

    def covers(self, tenant: str) -> bool:
        return self.everything or tenant in self.tenants
