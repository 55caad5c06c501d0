# PgBouncer as Debian 13 ships it, which is 1.24: before 1.21 it loses prepared statements in transaction mode.
FROM debian:13-slim
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends pgbouncer \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /etc/pgbouncer
USER 65534:65534
# planodev updates this file, unless it was edited: 3c213dee5904
