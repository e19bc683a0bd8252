"""
Many processes of otter, with real servers behind them, and everything that can happen to any of it.

``python -m tests.fleet``          faults under load, and whether everything was counted once (``make test-cluster``)
``python -m tests.fleet.frozen``   a process stops in the middle of a request to the cloud, and comes back (``make frozen``)
"""
