# Skyulf in a container: `skyulf serve` by default, any other command by naming it (docker run skyulf migrate).
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/skyulf && /opt/skyulf/bin/pip install --no-cache-dir .

FROM python:3.12-slim
# Boosted trees are learnt with OpenMP, whose library the slim image lacks.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/skyulf /opt/skyulf
RUN useradd --create-home --uid 10001 skyulf && install --directory --owner=skyulf /data /keys
USER skyulf
ENV PATH=/opt/skyulf/bin:$PATH SKYULF_DATA_DIR=/data SKYULF_HOST=0.0.0.0 SKYULF_PORT=8000
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import os, urllib.request as r; \
r.urlopen(f'http://127.0.0.1:{os.environ[\"SKYULF_PORT\"]}/health/ready')"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["skyulf"]
CMD ["serve"]
