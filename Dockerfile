# jmap-gateway as a container: no root, no shell needed, works with a read-only root file system.
#
#   docker build -t jmap-gateway .
#   docker run -p 8080:8080 -e JMAPGW__BACKENDS__DEFAULT__IMAP__HOST=imap.example.org jmap-gateway

FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /venv
# The dependencies first: they change less often than the code.
COPY pyproject.toml ./
RUN /venv/bin/python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))" > requirements.txt \
    && /venv/bin/pip install --no-cache-dir -r requirements.txt
COPY README.md LICENSE ./
COPY adapters ./adapters
COPY gateway ./gateway
RUN /venv/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="jmap-gateway" \
      org.opencontainers.image.description="JMAP in front of the IMAP, SMTP, ManageSieve, CalDAV and CardDAV servers you already run" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /venv /venv
# What the gateway learned, and what no mail server keeps (README, Scale). Mount a volume to keep it, or use "redis".
RUN mkdir /data && chown 10001:10001 /data
VOLUME /data
WORKDIR /data
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    JMAPGW__SERVER__LISTEN=0.0.0.0:8080 \
    JMAPGW__STORE__PATH=/data/jmap-gateway.sqlite
USER 10001:10001
EXPOSE 8080
# /healthz of the gateway itself; says nothing about the servers behind it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-m", "gateway", "healthcheck"]
ENTRYPOINT ["python", "-m", "gateway"]
CMD ["serve"]
