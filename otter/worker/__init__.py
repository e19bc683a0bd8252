"""The path before convergence: what is done to a server, a job does, and a request began it. (docs/engines.md, "The worker".)"""
