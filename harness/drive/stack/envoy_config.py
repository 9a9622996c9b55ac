"""Envoy's bootstrap file: one listener, two clusters, a weight that can change while it runs.

Everything that could change a measurement is off or stated: no retries (the route names no retry policy), no
outlier detection, no tracing, no health checks; circuit breakers far above any drill; the client's
x-request-id goes through untouched, because it is the operation's id in every record.

Access log, one JSON object a line, flushed every ACCESS_LOG_FLUSH_MS:

    op_id          the request's x-request-id, null without one
    start_wall_ns  a STRING of wall-clock nanoseconds since the epoch; Envoy's resolution is one microsecond
    duration_ms    whole milliseconds from the first byte in to the last byte out
    duration_us    the same in microseconds, null when the answer never ended (the client left)
    cluster        stable | canary, null when no route was taken
    upstream       host:port that got the request, null when none did
    status         HTTP status, 0 when no answer was sent
    flags          Envoy's response flags, "-" for none
    attempts       requests sent upstream for this one
    method, path   as received

Each track adds its `x-track` to the answer, also to Envoy's own errors (measured), so a 503 of a dead
canary is attributed. It overwrites: an instance cannot claim another track.

Not covered: TLS, HTTP/2, a proxy tier in front of the canary for faults below HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

STABLE: Final = "stable"
CANARY: Final = "canary"
RUNTIME_PREFIX: Final = "split.service"
ACCESS_LOG_FLUSH_MS: Final = 200
ROUTE_S_MAX: Final = 15
# Servers close idle keep-alive connections (uvicorn after 5 s); a request sent into that close is answered 503 UC.
# So Envoy closes first.
UPSTREAM_IDLE_S_MAX: Final = 3
_MANY: Final = 100_000  # of connections, requests: a circuit breaker that never opens in a drill
_TYPES: Final = "type.googleapis.com/envoy.extensions"

ACCESS_LOG_FIELDS: Final[Mapping[str, str]] = {
    "op_id": "%REQ(X-REQUEST-ID)%",
    "start_wall_ns": "%START_TIME(%s%9f)%",
    "duration_ms": "%DURATION%",
    "duration_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "upstream": "%UPSTREAM_HOST%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
}


def render(
    *, port: int, admin_port: int, tracks: Mapping[str, Sequence[int]], track_header: str, access_log: str
) -> str:
    """The bootstrap as YAML. `tracks` maps stable and canary to the loopback ports of their instances."""
    assert set(tracks) == {STABLE, CANARY}, f"tracks are stable and canary, not {sorted(tracks)}"
    bootstrap = {
        "admin": {"address": _address(admin_port)},
        "layered_runtime": {
            "layers": [
                # Both keys stand here from the start, so that a read before the first change finds them.
                {"name": "static", "static_layer": {f"{RUNTIME_PREFIX}.{track}": _weight(track) for track in tracks}},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        "static_resources": {
            "listeners": [_listener(port, track_header, access_log)],
            "clusters": [_cluster(track, ports) for track, ports in tracks.items()],
        },
    }
    return yaml.safe_dump(bootstrap, sort_keys=False, width=110)


def argv(envoy: str, config: str) -> tuple[str, ...]:
    """The command line.

    Hot restart is off: it makes a second Envoy on the host fail and ties Envoy's life to the thread that started it.
    One worker carries a thousand requests a second here at 13 % of a core.
    """
    flush = ("--file-flush-interval-msec", str(ACCESS_LOG_FLUSH_MS))
    return (envoy, "-c", config, "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", *flush)


def _weight(track: str) -> int:
    """At the start everything goes to stable."""
    return 100 if track == STABLE else 0


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(port: int, track_header: str, access_log: str) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        # Envoy's default writes its trace decision into a digit of the id.
        "request_id_extension": {
            "typed_config": {
                "@type": f"{_TYPES}.request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
                "use_request_id_for_trace_sampling": False,
            }
        },
        "server_header_transformation": "PASS_THROUGH",
        "access_log": [
            {
                "name": "file",
                "typed_config": {
                    "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
                    "path": access_log,
                    "log_format": {"json_format": dict(ACCESS_LOG_FIELDS)},
                },
            }
        ],
        "http_filters": [
            {
                "name": "router",
                "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router", "suppress_envoy_headers": True},
            }
        ],
        "route_config": _routes(track_header),
    }
    return {
        "name": "front",
        # Without SO_REUSEPORT a second server on this port fails loudly instead of taking half of the connections.
        "enable_reuse_port": False,
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _routes(track_header: str) -> dict[str, Any]:
    clusters = [
        {
            "name": track,
            "weight": _weight(track),
            "response_headers_to_add": [
                {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD", "header": {"key": track_header, "value": track}}
            ],
        }
        for track in (STABLE, CANARY)
    ]
    route = {
        "match": {"prefix": "/"},
        "route": {
            "timeout": f"{ROUTE_S_MAX}s",
            "weighted_clusters": {"runtime_key_prefix": RUNTIME_PREFIX, "clusters": clusters},
        },
    }
    return {"name": "front", "virtual_hosts": [{"name": "service", "domains": ["*"], "routes": [route]}]}


def _cluster(track: str, ports: Sequence[int]) -> dict[str, Any]:
    limits = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_connection_pools"), _MANY)
    return {
        "name": track,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [{"priority": "DEFAULT", **limits}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": f"{UPSTREAM_IDLE_S_MAX}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": track,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(port)}} for port in ports]}],
        },
    }
