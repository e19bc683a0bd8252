"""
The services of the simulated cloud. Each is told a request and answers it, in simulated time, and keeps what there is.

What may go wrong on the way (lost requests, lost answers, gateways that break) is ``tests.sim.network``'s business; what may be
wrong with the services themselves is here.
"""
