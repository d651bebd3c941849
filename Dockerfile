# syntax=docker/dockerfile:1
# The console, its worker and its commands in one image: docker build -t opsportal .
# For a build that can be repeated to the byte, pin the base by digest: --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/opsportal
RUN python -m venv /opt/venv
COPY requirements/production.txt requirements/
# Wheels alone, each by its hash: nothing is built, and no compiler is needed.
RUN /opt/venv/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements/production.txt \
    && /opt/venv/bin/pip uninstall --yes pip setuptools
COPY manage.py ./
COPY opsportal opsportal
COPY tracking tracking
COPY requests_app requests_app
COPY registry registry
COPY writers writers
COPY templates templates
COPY static static
# In development's settings, which need no secret; the files are the same. The compiled code is never written again.
RUN DATA_DIR=/tmp/build STATIC_ROOT=/srv/static /opt/venv/bin/python manage.py collectstatic --noinput \
    && /opt/venv/bin/python -m compileall -q -j 0 .

FROM ${BASE}
# docker build --build-arg VERSION=1.2.0 --build-arg REVISION="$(git rev-parse HEAD)" ...
ARG VERSION=latest
ARG REVISION=""
LABEL org.opencontainers.image.title="Ops Portal" \
    org.opencontainers.image.description="Operations console for AI agents that write their state into DynamoDB" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin opsportal
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv /srv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/tmp/opsportal STATIC_ROOT=/srv/static \
    WEB_BIND=0.0.0.0:8000 OPSPORTAL_ENV=prod
WORKDIR /srv/opsportal
USER 10001:10001
EXPOSE 8000
# Written to by whoever runs it: where the root is read-only, what is mounted here takes this directory's mode.
VOLUME ["/tmp"]
STOPSIGNAL SIGTERM
# Of the web server; the worker's container overrides it (compose.yaml).
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "opsportal.serve", "health"]
ENTRYPOINT ["python", "-m", "opsportal.serve"]
CMD ["web"]
