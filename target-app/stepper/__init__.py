"""The rollout controller of the local stack: walks a canary's weights and rolls back when an alert says so.

It stands where Flagger, Argo Rollouts or a pipeline stand in production, so it is independent of the drill: it knows
only its steps, Alertmanager's webhook and the router's admin port, imports nothing of the drill, and signals nobody.

    python -m stepper --port 21001 --router-admin-url http://127.0.0.1:21002 --steps 5,25,50,100 --step-s 15 \
        --record stepper.ndjson --stable stable --canary canary --runtime-prefix split.service

    POST /start     begins the rollout; 409 when it has begun already
    GET  /status    {"state": idle|progressing|rolled_back|promoted|held, "weight", "step", "decision"}
    POST /webhook   Alertmanager's version 4 body; 200 when well formed, else 400 with the reason

With `--strategy remove --guard-url http://127.0.0.1:21004` a rollback also ends the canary: once it has drained, the
owner of its processes is asked to stop it. With `--team-url` a webhook is told what was done.

One process serves one rollout. Not covered: resuming, a second rollout in the same process.
"""
