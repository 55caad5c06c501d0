#!/usr/bin/env bash
# Keeps the documented contract of the official postgres image, for machines that cannot pull it:
# the environment (with _FILE), initdb only where there is no PG_VERSION, the host line appended after
# initdb, a temporary server that listens on the socket only, local trust, /docker-entrypoint-initdb.d.
# Written from the image's documentation; planodev's tests compare it with the real one where that can be had.
set -Eeuo pipefail

from_env_or_file() {
    local name=$1 default=${2:-} file_name="${1}_FILE"
    if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
        echo "error: both $name and $file_name are set" >&2
        exit 1
    fi
    if [ -z "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
        local value
        value=$(<"${!file_name}")
        export "$name=$value"
    else
        export "$name=${!name:-$default}"
    fi
    unset "$file_name"
}

[[ "${1:-}" == -* ]] && set -- postgres "$@"
[ "${1:-}" = postgres ] || exec "$@"

from_env_or_file POSTGRES_PASSWORD
from_env_or_file POSTGRES_USER postgres
from_env_or_file POSTGRES_DB "$POSTGRES_USER"
from_env_or_file POSTGRES_INITDB_ARGS

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 0700 "$PGDATA" || true
    chmod 3777 /var/run/postgresql || true
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    exec gosu postgres "$BASH_SOURCE" "$@"
fi

if [ -s "$PGDATA/PG_VERSION" ]; then
    printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    exec "$@"
fi

if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    echo "Error: Database is uninitialized and superuser password is not specified." >&2
    exit 1
fi

ls /docker-entrypoint-initdb.d/ >/dev/null
eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"

export PGPASSWORD=${PGPASSWORD:-$POSTGRES_PASSWORD}
pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p ${PGPORT:-5432}" -w start
run_sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"; }
if [ "$POSTGRES_DB" != postgres ] &&
    [ -z "$(run_sql --dbname postgres --set db="$POSTGRES_DB" -tA <<<"SELECT 1 FROM pg_database WHERE datname = :'db';")" ]; then
    run_sql --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db" ;'
fi
for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
        *.sh) echo "$0: running $script" && if [ -x "$script" ]; then "$script"; else . "$script"; fi ;;
        *.sql) echo "$0: running $script" && run_sql --dbname "$POSTGRES_DB" -f "$script" ;;
        *.sql.gz) echo "$0: running $script" && gunzip -c "$script" | run_sql --dbname "$POSTGRES_DB" ;;
        */'*') ;;
        *) echo "$0: ignoring $script" ;;
    esac
done
PGUSER=${PGUSER:-$POSTGRES_USER} pg_ctl -D "$PGDATA" -m fast -w stop
unset PGPASSWORD
printf '\nPostgreSQL init process complete; ready for start up.\n\n'
exec "$@"
