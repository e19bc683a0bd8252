"""
Coordination of many processes by Apache ZooKeeper. Nothing here is imported unless it is configured.
(docs/zookeeper.md.)
"""
