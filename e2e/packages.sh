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
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  # the programs are needed, not the daemons that come with some of them: they would take ports
  trap 'rm -f "$log" "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt=(apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5) # another apt may be at work, mirrors stumble
{ "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
