#!/bin/sh
# Runs one pgTAP file in a copy of the template database: `prove --exec` calls it with the file.
set -eu
copy="aias_tap_$$"
"$AIAS_BINDIR/psql" -X -q -d "${AIAS_SERVER}postgres" -c "create database $copy template $AIAS_TEMPLATE"
trap '"$AIAS_BINDIR/psql" -X -q -d "${AIAS_SERVER}postgres" -c "drop database $copy with (force)"' EXIT
"$AIAS_BINDIR/psql" -X -q -At -v ON_ERROR_STOP=1 -d "$AIAS_SERVER$copy" -f "$1"
