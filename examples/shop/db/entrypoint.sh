#!/bin/sh
# Makes the database cluster on the first start, then runs the server.
set -eu

if [ ! -e "$PGDATA" ]; then
  # Made beside it and renamed at the end: a first start that is interrupted begins again the next time.
  new=$PGDATA.new
  rm -rf "$new"
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  initdb --pgdata="$new" --username="$POSTGRES_USER" --pwfile=/tmp/password \
    --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -j -D "$new" postgres
  mv "$new" "$PGDATA"
fi

exec "$@"
