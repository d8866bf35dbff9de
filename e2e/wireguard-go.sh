#!/usr/bin/env bash
# Fetches the newest wireguard-go of Debian's archive (suite sid) without changing the system: the stable suite's is too
# old to be worth a comparison. It is a peer to test against; nothing of WgMesh ships it.
# usage: wireguard-go.sh      prints the path of the program
set -euo pipefail
out=${XDG_CACHE_HOME:-$HOME/.cache}/wgmesh/wireguard-go
if [[ ! -x $out ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work" # apt's unprivileged downloader has to get in
  mkdir -p "$work/lists/partial" "$work/parts"
  # Debian's mirror as this machine has it configured (not the security archive), asked for another suite
  shopt -s nullglob
  sources=(/etc/apt/sources.list.d/*.sources)
  uri=$(awk '/^URIs:/ && !/security/ && /debian/ {print $2; exit}' /dev/null "${sources[@]}")
  [[ -n $uri ]] || uri=$(awk '$1 == "deb" && !/security/ && /debian/ {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; exit}}' /dev/null /etc/apt/sources.list 2>/dev/null || true)
  [[ -n $uri ]] || { echo "no Debian mirror is configured: install wireguard-go and put it at $out" >&2; exit 1; }
  # an older release does not know that suite's newest signing key, so the index is taken as it comes: a test peer, run
  # in a namespace of its own
  printf 'Types: deb\nURIs: %s\nSuites: sid\nComponents: main\nTrusted: yes\n' "$uri" >"$work/parts/sid.sources"
  options=(-o "Dir::Etc::sourceparts=$work/parts" -o Dir::Etc::sourcelist=/dev/null -o "Dir::State::Lists=$work/lists")
  apt-get "${options[@]}" update -q >"$work/log" 2>&1 || true
  (cd "$work" && apt-get "${options[@]}" download -q wireguard-go >>log 2>&1 && dpkg -x wireguard-go_*.deb x) ||
    { tail -20 "$work/log" >&2; echo "wireguard-go cannot be fetched from Debian's archive" >&2; exit 1; }
  install -D -m755 "$work/x/usr/bin/wireguard-go" "$out"
fi
echo "$out"
