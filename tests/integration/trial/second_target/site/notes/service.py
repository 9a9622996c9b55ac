"""One instance: `python -m notes.service NAME VERSION PORT CONTROL_PORT`, with NOTES_STORE and NOTES_TOKEN set.

What a drill asks of a service: headers that say who answered, metrics by the names of the rules, a port of its own for
faults, which end by themselves.
"""

import asyncio
import os
import random
import sys
import time

import httpx
import prometheus_client
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

NAME, VERSION, PORT, CONTROL_PORT = sys.argv[1:5]
HEADERS = {"x-notes-version": VERSION, "x-notes-instance": NAME}
requests = prometheus_client.Counter("http_requests_total", "Answers.", ["version", "code"])
durations = prometheus_client.Histogram("http_request_duration_seconds", "Time to the answer.", ["version"])
injected = prometheus_client.Counter("fault_injected_total", "Spoiled answers.", ["fault"])
store = httpx.AsyncClient(base_url=os.environ["NOTES_STORE"], trust_env=False)
fault = {}  # of http_5xx: share and until
in_flight = []
loses = float(os.environ.get("NOTES_LOSES", "0"))  # the share of notes that it says it kept, and did not
requests.labels(VERSION, "503")  # an alert cannot see the first count of a series that is born with it


async def notes(request):
    """POST /notes keeps one, GET lists a run's."""
    begun_s = time.perf_counter()
    in_flight.append(request)
    try:
        answer = await spoiled() if random.random() < share() else await answered(request)
    finally:
        in_flight.remove(request)
    requests.labels(VERSION, str(answer.status_code)).inc()
    durations.labels(VERSION).observe(time.perf_counter() - begun_s)
    answer.headers.update(HEADERS)
    return answer


async def spoiled():
    """The fault's answer, before anything was done, with its mark."""
    injected.labels("http_5xx").inc()
    return Response(status_code=503, headers={"x-fault-injected": "http_5xx"})


async def answered(request):
    """The service itself."""
    if request.method == "POST":
        if random.random() < loses:
            return JSONResponse({}, 201)
        note = {**await request.json(), "written_by": VERSION}
        kept = await store.put(f"/rows/{request.headers['x-request-id']}", json=note)
    else:
        kept = await store.get("/rows", params={"run": request.query_params["run"]})
    return Response(kept.content, kept.status_code, media_type="application/json")


def share():
    """The fault's share of the answers now."""
    return fault["share"] if fault and time.monotonic() < fault["until_s"] else 0.0


async def faults(request):
    """PUT and DELETE /faults/http_5xx, GET /faults, GET /in-flight; all with the token."""
    if request.headers.get("authorization") != f"Bearer {os.environ['NOTES_TOKEN']}":
        return JSONResponse({}, 401)
    if request.method != "GET":
        fault.clear()
    if request.method == "PUT":
        wanted = await request.json()
        fault.update(share=wanted["share"], until_s=time.monotonic() + wanted["deadline_s"])
    return JSONResponse({"active": [{"fault": "http_5xx"}] if share() else [], "in_flight": len(in_flight)})


def metrics(_request):
    """The scrape."""
    return Response(prometheus_client.generate_latest(), media_type=prometheus_client.CONTENT_TYPE_LATEST)


def health(_request):
    """Which version this is."""
    return JSONResponse({"version": VERSION})


async def main():
    """Both ports, until SIGTERM."""
    public = [Route("/notes", notes, methods=["GET", "POST"]), Route("/metrics", metrics), Route("/health", health)]
    control = [
        Route("/faults/http_5xx", faults, methods=["PUT", "DELETE"]),
        Route("/faults", faults),
        Route("/in-flight", faults),
    ]
    await asyncio.gather(
        *(
            uvicorn.Server(uvicorn.Config(Starlette(routes=routes), "127.0.0.1", int(port), access_log=False)).serve()
            for routes, port in ((public, PORT), (control, CONTROL_PORT))
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
