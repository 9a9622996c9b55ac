# The runner: `harness` with the local stack, for whoever drills from a container.
#
#   docker build -t harness .                                        podman and buildah take the same file
#   docker run --rm -v "$PWD/reports:/drill/reports" harness          the demo; any other command behind the name
#
# BASE must be Debian 12 or later, or derived from it, with Python 3.11 or later as `python3`, with venv. UID is who
# owns /drill/reports outside; PostgreSQL refuses to run as root, so the runner is somebody else.

ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG UV_VERSION=0.13.9
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check uv==${UV_VERSION}
WORKDIR /src
COPY pyproject.toml uv.lock ./
ENV UV_PROJECT_ENVIRONMENT=/opt/harness UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1
# The dependencies first: they change less often than the code, so their layer is kept.
RUN /opt/uv/bin/uv sync --frozen --quiet --all-extras --no-dev --no-install-project
COPY README.md LICENSE ./
COPY harness harness
COPY target-app target-app
COPY experiments experiments
COPY locustfiles locustfiles
RUN /opt/uv/bin/uv sync --frozen --quiet --all-extras --no-dev --no-editable

FROM ${BASE}
# tini reaps what a killed part leaves to process 1: a zombie would count as a process that was left behind.
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends prometheus prometheus-alertmanager tini \
    && rm -rf /var/lib/apt/lists/*
ARG UID=1000
RUN useradd --create-home --uid ${UID} harness && install -d -o harness -g harness /drill /drill/reports
COPY --from=build /opt/harness /opt/harness
ENV PATH=/opt/harness/bin:$PATH PYTHONUNBUFFERED=1
USER harness
WORKDIR /drill
ENTRYPOINT ["tini", "--", "harness"]
CMD ["demo"]
