"""``IStore`` on Apache Cassandra. (docs/cassandra.md.)"""
