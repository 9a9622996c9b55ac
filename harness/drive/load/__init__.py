"""The load engine: seeded open arrivals, sent by Locust, recorded raw. It knows no domain; kits do.

    plan.py       what a load process is told, and the process that runs it        (pure)
    schedule.py   every arrival, before the first is sent                          (pure)
    client.py     one operation, sent once, and what came of it
    engine.py     the dispatcher: each arrival at its instant, whatever earlier answers do
    recorder.py   rows and ticks on disk
    split.py      what a run without a trial prints at its end
    user.py       the only module that knows Locust
    locustfile.py what a trial's load process runs

Nothing is imported here: `import locust` patches the sockets of its whole process, so only the load
process may reach user.py.
"""
