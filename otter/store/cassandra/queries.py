"""Everything that the store asks of Cassandra, by name."""

STATICS = (
    "SELECT version, fence, ops, config, launch, state, roster, passes, outbox FROM {keyspace}.groups"
    " WHERE tenant = :tenant AND grp = :grp LIMIT 1"
)
ROWS = (
    "SELECT kind, id, data, due FROM {keyspace}.groups"
    " WHERE tenant = :tenant AND grp = :grp AND kind = :kind AND id >= :first AND id <= :last LIMIT :most"
)
IDS = "SELECT kind FROM {keyspace}.groups WHERE tenant = :tenant AND grp = :grp"
UPDATE_STATICS = (
    "UPDATE {keyspace}.groups SET version = :new, ops = :ops, config = :config, launch = :launch, state = :state,"
    " roster = :roster, passes = :passes, outbox = :outbox WHERE tenant = :tenant AND grp = :grp IF version = :version"
)
PUT_ROW = (
    "INSERT INTO {keyspace}.groups (tenant, grp, kind, id, data, due) VALUES (:tenant, :grp, :kind, :id, :data, :due)"
    " USING TTL :ttl"
)
DELETE_ROW = "DELETE FROM {keyspace}.groups WHERE tenant = :tenant AND grp = :grp AND kind = :kind AND id = :id"
LEAVE_VERSION = (
    "UPDATE {keyspace}.groups USING TTL :ttl SET version = :new, ops = :ops"
    " WHERE tenant = :tenant AND grp = :grp IF version = :version"
)
DELETE_PARTITION = "DELETE FROM {keyspace}.groups WHERE tenant = :tenant AND grp = :grp"

GROUPS_OF = "SELECT version, grp, made FROM {keyspace}.groups_of_tenant WHERE tenant = :tenant"
PAGE_OF_GROUPS = "SELECT grp FROM {keyspace}.groups_of_tenant WHERE tenant = :tenant AND grp > :marker LIMIT :most"
CLAIM = "UPDATE {keyspace}.groups_of_tenant SET version = :new WHERE tenant = :tenant IF version = :version"
PUT_CLAIM = "INSERT INTO {keyspace}.groups_of_tenant (tenant, grp, made) VALUES (:tenant, :grp, :made)"
DROP_CLAIM = "DELETE FROM {keyspace}.groups_of_tenant WHERE tenant = :tenant AND grp = :grp"

PUT_SHARE = (
    "INSERT INTO {keyspace}.shares (share, tenant, grp, paused) VALUES (:share, :tenant, :grp, :paused)"
    " USING TIMESTAMP :version"
)
DROP_SHARE = (
    "DELETE FROM {keyspace}.shares USING TIMESTAMP :version WHERE share = :share AND tenant = :tenant AND grp = :grp"
)
SHARE = "SELECT tenant, grp, paused FROM {keyspace}.shares WHERE share = :share"
PUT_DIVERGENT = (
    "INSERT INTO {keyspace}.divergent (share, tenant, grp, due) VALUES (:share, :tenant, :grp, :due)"
    " USING TIMESTAMP :stamp"
)
DROP_DIVERGENT = (
    "DELETE FROM {keyspace}.divergent USING TIMESTAMP :stamp WHERE share = :share AND tenant = :tenant AND grp = :grp"
)
DIVERGENT = "SELECT tenant, grp, due FROM {keyspace}.divergent WHERE share = :share"

PUT_CAPABILITY = (
    "INSERT INTO {keyspace}.capabilities (digest, tenant, grp, policy, webhook)"
    " VALUES (:digest, :tenant, :grp, :policy, :webhook)"
)
DROP_CAPABILITY = "DELETE FROM {keyspace}.capabilities WHERE digest = :digest"
DROP_STALE_CAPABILITY = "DELETE FROM {keyspace}.capabilities USING TIMESTAMP :written WHERE digest = :digest"
CAPABILITY = "SELECT tenant, grp, policy, webhook, WRITETIME(webhook) AS written FROM {keyspace}.capabilities WHERE digest = :digest"
PUT_KEY = "INSERT INTO {keyspace}.keys (name, key_id) VALUES ('all', :key_id)"
KEYS = "SELECT key_id FROM {keyspace}.keys WHERE name = 'all'"
PUT_OF_KEY = "INSERT INTO {keyspace}.capabilities_of_key (key_id, part, digest) VALUES (:key_id, :part, :digest)"
DROP_OF_KEY = "DELETE FROM {keyspace}.capabilities_of_key WHERE key_id = :key_id AND part = :part AND digest = :digest"
DROP_STALE_OF_KEY = (
    "DELETE FROM {keyspace}.capabilities_of_key USING TIMESTAMP :written"
    " WHERE key_id = :key_id AND part = :part AND digest = :digest"
)
OF_KEY = "SELECT digest FROM {keyspace}.capabilities_of_key WHERE key_id = :key_id AND part = :part LIMIT 1"

PUT_EVENT = (
    "INSERT INTO {keyspace}.schedule (part, slot, due, tenant, grp, policy)"
    " VALUES (:part, :slot, :due, :tenant, :grp, :policy)"
)
DROP_EVENT = (
    "DELETE FROM {keyspace}.schedule WHERE part = :part AND slot = :slot AND due = :due AND tenant = :tenant"
    " AND grp = :grp AND policy = :policy"
)
EVENTS = (
    "SELECT due, tenant, grp, policy FROM {keyspace}.schedule"
    " WHERE part = :part AND slot = :slot AND (due, tenant, grp, policy) > (:due, :tenant, :grp, :policy)"
    " AND (due) <= (:until) LIMIT :most"
)
PUT_SLOT = "INSERT INTO {keyspace}.schedule_slots (part, slot) VALUES (:part, :slot)"
DROP_SLOT = "DELETE FROM {keyspace}.schedule_slots WHERE part = :part AND slot = :slot"
SLOTS = "SELECT slot FROM {keyspace}.schedule_slots WHERE part = :part AND slot <= :slot"

PUT_OUTBOX = "INSERT INTO {keyspace}.outbox (part, tenant, grp) VALUES (:part, :tenant, :grp) USING TIMESTAMP :version"
DROP_OUTBOX = (
    "DELETE FROM {keyspace}.outbox USING TIMESTAMP :version WHERE part = :part AND tenant = :tenant AND grp = :grp"
)
OUTBOX = "SELECT tenant, grp FROM {keyspace}.outbox WHERE part = :part"

SUSPEND = "INSERT INTO {keyspace}.suspensions (name, tenant) VALUES ('all', :tenant)"
REINSTATE = "DELETE FROM {keyspace}.suspensions WHERE name = 'all' AND tenant = :tenant"
SUSPENDED = "SELECT tenant FROM {keyspace}.suspensions WHERE name = 'all'"
IS_SUSPENDED = "SELECT tenant FROM {keyspace}.suspensions WHERE name = 'all' AND tenant = :tenant"
HOLD = "INSERT INTO {keyspace}.holds (name, everything, tenant) VALUES ('all', :everything, :tenant)"
RELEASE = "DELETE FROM {keyspace}.holds WHERE name = 'all' AND everything = :everything AND tenant = :tenant"
HELD = "SELECT everything, tenant FROM {keyspace}.holds WHERE name = 'all'"

SPLITS = "SELECT tenant, document FROM {keyspace}.splits WHERE name = 'all'"
FIRST_SPLIT = "INSERT INTO {keyspace}.splits (name, tenant, document) VALUES ('all', :tenant, :document) IF NOT EXISTS"
NEXT_SPLIT = (
    "UPDATE {keyspace}.splits SET document = :document WHERE name = 'all' AND tenant = :tenant IF document = :old"
)

EPOCH = "SELECT epoch FROM {keyspace}.epochs WHERE name = 'otter'"
FIRST_EPOCH = "INSERT INTO {keyspace}.epochs (name, epoch) VALUES ('otter', 1) IF NOT EXISTS"
NEXT_EPOCH = "UPDATE {keyspace}.epochs SET epoch = :new WHERE name = 'otter' IF epoch = :epoch"

NAMES = {value: name.lower() for name, value in list(globals().items()) if name.isupper()}
"""Query -> what figures call it."""
ALL = tuple(NAMES)
