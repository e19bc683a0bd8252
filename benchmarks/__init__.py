"""
How fast otter is, as a multiple of something that was measured in the same minute on the same machine.

``python -m benchmarks`` measures every figure, ``python -m benchmarks webhooks`` one of them. What they mean is in
docs/figures.md. Nothing here is a test: a machine that does other work at the same time may miss an aim.
"""
