# The image of one node. Build it from the root of the repository:
#   docker build -f docker/node.Dockerfile -t port2port-node .
# Every package is checked against requirements.lock. Without a package index: put the wheels into docker/wheelhouse
# beforehand (docker/README.md) and add --build-arg PIP_NO_INDEX=1.
ARG BASE=python:3.11-slim
FROM ${BASE} AS build
ARG PIP_NO_INDEX=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements.lock ./
COPY docker/wheelhouse /wheelhouse
# What is downloaded has a hash in the lock; from here on nothing else can be installed.
RUN python3 -m venv /opt/port2port \
 && /opt/port2port/bin/python -m pip download --quiet --require-hashes --only-binary :all: --no-deps \
      --find-links /wheelhouse --dest /wheels --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY port2port port2port
COPY node node
COPY hub hub
# The lock also holds the tools of the tests: pip picks from it what the product needs, and leaves them out.
RUN python3 -m venv /opt/tools \
 && /opt/tools/bin/python -m pip install --quiet --no-index --upgrade --find-links /wheels setuptools \
 && /opt/tools/bin/python -m pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/port2port/bin/python -m pip install --quiet --no-index --find-links /wheels "port2port[postgres]" \
 && /opt/port2port/bin/python -m pip uninstall --quiet --yes pip setuptools

FROM ${BASE}
COPY --from=build /opt/port2port /opt/port2port
RUN mkdir -p /var/lib/port2port /etc/port2port && chown 65532:65532 /var/lib/port2port
ENV PATH=/opt/port2port/bin:$PATH HOME=/var/lib/port2port PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/port2port
VOLUME /var/lib/port2port
USER 65532:65532
ENTRYPOINT ["port2port-node"]
CMD ["--help"]
