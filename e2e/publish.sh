#!/usr/bin/env bash
# Builds the three programs into artifacts/bin, compiled ahead for this machine, if a source is newer than they are.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$PWD/artifacts/bin
stamp=$out/.published
if [[ -f $stamp && -z $(find src Directory.*.props global.json -newer "$stamp" -type f -not -path '*/obj/*' -not -path '*/bin/*' -print -quit) ]]; then
  exit 0
fi
command -v dotnet >/dev/null || { echo "the .NET 10 SDK is needed: there is no dotnet on the PATH" >&2; exit 1; }
mkdir -p "$out"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
architecture=$(dotnet msbuild src/Cli -getProperty:NETCoreSdkPortableRuntimeIdentifier)
for project in Operator NodeAgent Cli; do
  { dotnet restore "src/$project" --locked-mode && dotnet publish "src/$project" -c Release -r "$architecture" -o "$out" --nologo -v quiet; } >"$log" 2>&1 ||
    { cat "$log" >&2; exit 1; }
done
touch "$stamp"
