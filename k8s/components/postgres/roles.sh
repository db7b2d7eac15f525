#!/bin/sh
# Run once, by the image's entry point, when the volume is empty: a login role a process, each with a password of its own.
# What each may do is said by `headframe db upgrade`, as the owner, once it has made the tables.
set -eu
for role in owner service watcher web reader backup; do
    psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set role="headframe_$role" --set password="$(cat "${ROLES:-/run/roles}/$role/password")" <<'SQL'
create role :"role" login password :'password';
SQL
done
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create database headframe owner headframe_owner;
revoke all on database headframe from public;
grant connect, temporary on database headframe
    to headframe_service, headframe_watcher, headframe_web, headframe_reader, headframe_backup;
SQL
