"""The store: a dict behind HTTP. `python -m notes.store PORT`."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

rows = {}  # op_id -> the note; the first one stands, so a write is idempotent, and a dict keeps their order


async def serve(request):
    """PUT /rows/{op_id} keeps a note, GET /rows?run= lists a run's, DELETE takes them out."""
    if request.method == "PUT":
        rows.setdefault(request.path_params["op_id"], await request.json())
        return JSONResponse({}, 201)
    mine = {op_id: row for op_id, row in rows.items() if op_id.startswith(request.query_params["run"] + "-")}
    if request.method == "DELETE":
        for op_id in mine:
            del rows[op_id]
    return JSONResponse([{"op_id": op_id, "position": n, **row} for n, (op_id, row) in enumerate(mine.items())])


routes = [
    Route("/rows", serve, methods=["GET", "DELETE"]),
    Route("/rows/{op_id}", serve, methods=["PUT"]),
    Route("/health", lambda _: JSONResponse({})),
]

if __name__ == "__main__":
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
