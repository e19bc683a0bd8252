"""Real processes for tests: Mimic, a proxy that injects faults in front of it, and whatever else has to be started and killed."""
