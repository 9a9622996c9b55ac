"""A service's companion for a drill: it makes any HTTP service breakable, countable and nameable, without its code.

    python -m sidecar --name canary-1 --version 1.1 --port 20080 --control-port 20081 --upstream-port 20082 \\
        --ready /health -- python app.py --port 20082

It starts the service as its child and hands every request on to it, once. Around that stands PortTrack's outermost
layer, with a proxy in the place of handlers: the same metrics (`http_requests_total`, ...), the same control port, the
same faults before the handler (`http_5xx`, `latency`, `metrics_gone`), and three headers on every answer:

    x-service-version     what --version says         x-service-instance    what --name says
    x-fault-injected      the fault that hit it, on what a fault answered or delayed

Faults that lie about the store need the service's own hands, so they are refused here.

What it costs: one hop on loopback, a millisecond or two of latency that is there for both versions alike.
Not covered: streaming (bodies are held whole, up to 16 MiB), web sockets, HTTP/2, the service's own /metrics.
"""
