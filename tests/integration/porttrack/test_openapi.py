"""The OpenAPI document against a running instance: requests made from it, answers held against it."""

from __future__ import annotations

import httpx
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from porttrack.migrate import migrate

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 10  # of each operation, way and release: a thousand requests in all


@pytest.fixture(scope="module")
def instances(start, database):
    """An instance of each release on a database of their own: what is made up here is no other test's."""
    with psycopg.connect(database.admin_dsn, autocommit=True) as admin:
        admin.execute("CREATE DATABASE openapi OWNER porttrack")
    dsn = f"{database.dsn.removesuffix('porttrack')}openapi"
    migrate(dsn, "head")
    return {release: start(release, f"openapi-{release}", dsn=dsn) for release in ("1.0", "1.1")}


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize("release", ["1.0", "1.1"])
def test_the_service_is_as_its_document_says(instances, release, mode):
    """Right and wrong requests of every operation are answered by a status, type and body that the document has."""
    running = instances[release]
    schema = schemathesis.openapi.from_dict(httpx.get(f"{running.instance.url}/openapi.json", timeout=10).json())
    asked = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @seed(7)
        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case):
            case.call_and_validate(base_url=running.instance.url, checks=CHECKS, timeout=10)

        ask()
        asked.append(operation.label)
    assert 24 == len(set(asked))
