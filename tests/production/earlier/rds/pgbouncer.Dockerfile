# PgBouncer as Debian ships it.
FROM debian:12-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends pgbouncer \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /etc/pgbouncer
USER 65534:65534
