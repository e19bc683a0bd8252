from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from otter.domain.errors import NoSuchScalingGroup
from otter.domain.group import GroupId
from otter.services.by_tenant import ByTenant
from tests.worlds import GROUP_ID, a_group


class ByTenantTests(SynchronousTestCase):
    def setUp(self):
        self.passes = []
        self.run_pass = ByTenant(self.engine("usual"), self.engine("special"), frozenset(["222", "333"]))

    def engine(self, name):
        async def run_pass(group_id):
            self.passes.append((name, group_id.tenant))
            if group_id.group == "gone":
                raise NoSuchScalingGroup(group_id)
            return a_group(group_id=group_id)

        return run_pass

    def test_a_group_has_its_passes_from_its_tenants_engine(self):
        for tenant in ("111", "222", "333", "2"):
            group_id = GroupId(tenant, GROUP_ID.group)
            group = self.successResultOf(ensureDeferred(self.run_pass(group_id)))
            self.assertEqual(group.id, group_id)
        self.assertEqual(self.passes, [("usual", "111"), ("special", "222"), ("special", "333"), ("usual", "2")])

    def test_whoever_asks_hears_what_went_wrong(self):
        for tenant in ("111", "222"):
            self.failureResultOf(ensureDeferred(self.run_pass(GroupId(tenant, "gone"))), NoSuchScalingGroup)
