"""PortTrack: a small port-navigation platform, the service under test, in one package with two releases.

It takes AIS position reports, port calls and their timestamps, routes, weather and tide, cargo moves, shifts of staff,
entries and exits, and gives them back. It is a real service in the ways a rollback can go wrong: a PostgreSQL store,
rules that look at what is stored, acknowledgements only after commit, a release that adds a column, probes and a
drain, metrics that an alert can read, and a control port at which it can be broken on purpose.

    python -m porttrack.migrate --dsn DSN --to head
    PORTTRACK_DSN=DSN python -m porttrack.serve --release 1.0 --instance stable-1 --port 20080

`porttrack.kit` is the other half: what a drill must know about this service. The service never imports it.

Not covered: who may do what (there are no users, one token at most), entries that are changed or withdrawn.
"""
