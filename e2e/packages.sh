#!/usr/bin/env bash
# Installs what the demo and the tests need from Debian, if it is not there.
# usage: packages.sh PACKAGE:PROGRAM...
set -euo pipefail
missing=()
for entry in "$@"; do
  command -v "${entry#*:}" >/dev/null || missing+=("${entry%%:*}")
done
((${#missing[@]})) || exit 0
[[ $(id -u) == 0 ]] || { echo "missing: ${missing[*]}; run as root to have them installed" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "missing: ${missing[*]}; install them with this system's package manager" >&2; exit 1; }
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
