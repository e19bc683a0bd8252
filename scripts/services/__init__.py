"""
Real Cassandra and ZooKeeper on loopback, for tests and for trying otter out: one node of each, or three.

``make services`` and ``make services-down`` are the short way; ``python -m scripts.services --help`` lists the rest, and
docs/services.md explains it. Standard library only, so it runs before anything is set up::

    settings    the environment -> Settings
    jars        Java, Maven, and the jars in the cache
    processes   a server process that outlives us
    nodes       what the nodes of all kinds have in common
    cassandra   a node of Cassandra     cassandra.yaml
    zookeeper   a node of ZooKeeper     zoo.cfg
    cluster     all nodes of one data folder
"""
