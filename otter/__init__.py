"""
otter keeps groups of servers at the size their owners ask for.

Start reading at ``rest/execute.py`` and follow a webhook: the rooms come in the order in which it walks through them.

rest            HTTP in, HTTP out
operations      what a user or a timer may ask for
domain          the nouns and their rules (pure)
store           our own data
coordination    hints about which groups want a look
services        things that tick: the converger, the self-heal sweep
convergence     one pass over one group: gather, plan, write down, execute, judge, write down
worker          the scope of the worker engine: jobs
planning        desired + observed -> steps (pure)
cloud           talking to cloud services (Effects)
logs            JSON lines

A group is *divergent* while the store says that something was asked for and not yet seen to be done; a *mark* hints at it. A
*pass* looks once at the cloud and takes some *steps*; the *converger* gives a divergent group passes until one finds nothing
to do. The *engine* is what a changed group is handed to: convergence, cycle or worker, which differ in the *scope* of their passes.
"""
