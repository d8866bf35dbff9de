#!/usr/bin/env bash
# Builds the image as the Dockerfile says, without a registry of images: its base images are made of this machine's own files (the .NET
# SDK and runtime, nft, the plugins of CNI, busybox), its packages come from this machine's package cache. Two small images for test pods
# are made as well: pause (what a pod's sandbox runs) and tools (busybox with a web server that says who calls).
# usage: image.sh      prints the folder that holds wgmesh.tar, pause.tar and tools.tar, kept outside the checkout, as long as the sources are as
#                      they were
set -euo pipefail
cd "$(dirname "$0")/.."
e2e/packages.sh buildah:buildah busybox-static:busybox nftables:nft containernetworking-plugins:/usr/lib/cni/ptp >&2
command -v dotnet >/dev/null || { echo "the .NET 10 SDK is needed: there is no dotnet on the PATH" >&2; exit 1; }
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wgmesh/images
version=$(sed -n 's|.*<Version>\(.*\)</Version>.*|\1|p' Directory.Build.props)

# what the images are made of: the sources, and what this machine gives
ingredients() {
  find src global.json Directory.*.props .editorconfig Dockerfile .dockerignore e2e/image.sh -type f -not -path '*/obj/*' -not -path '*/bin/*' -print0 |
    sort -z | xargs -0 sha256sum
  dotnet --version
  dotnet --list-runtimes
  sha256sum "$(command -v nft)" "$(command -v busybox)" /usr/lib/cni/*
}
out=$cache/$(ingredients | sha256sum | cut -c1-16)

work=''
# in a process namespace: a build leaves compilers running that wait for more to do
image() { unshare --pid --fork --mount-proc --kill-child buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

# a root file system with folders as distributions have them, and a user for programs that need no rights: root_of FOLDER
root_of() {
  local name
  mkdir -p "$1"/{usr/bin,usr/sbin,usr/lib,usr/lib64,etc,root,run,var/tmp,tmp}
  ln -s /run "$1/var/run"
  for name in bin sbin lib lib64; do ln -s "usr/$name" "$1/$name"; done
  chmod 1777 "$1/tmp" "$1/var/tmp"
  printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1654:1654::/home/app:/bin/false\nnobody:x:65534:65534::/:/bin/false\n' >"$1/etc/passwd"
  printf 'root:x:0:\napp:x:1654:\nnogroup:x:65534:\n' >"$1/etc/group"
  echo 'hosts: files dns' >"$1/etc/nsswitch.conf"
}

# programs and libraries, each at its place, with the libraries that they need: take ROOT FILE...
take() {
  local root=$1 file place; shift
  for file in "$@" $(ldd "$@" 2>/dev/null | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/lib.*ld-/ {print $1}' | sort -u); do
    place=$root$(readlink -f "$(dirname "$file")")
    mkdir -p "$place"
    [[ -e $place/${file##*/} ]] || cp -L "$file" "$place/"
  done
}

# what .NET needs of a machine; it loads libssl by itself: take_for_dotnet ROOT
take_for_dotnet() {
  local ssl
  ssl=$(ldconfig -p | awk '$1 == "libssl.so.3" && !seen++ {print $NF}')
  [[ -n $ssl ]] || { echo "OpenSSL 3 is needed: ldconfig -p knows no libssl.so.3" >&2; exit 1; }
  take "$1" "$ssl" "$dotnet/dotnet" "$dotnet"/shared/Microsoft.NETCore.App/10.*/*.so
  rm -rf "$1$dotnet" # taken along as libraries; it comes whole or is lent
}

take_busybox() { # ROOT
  local name
  cp "$(command -v busybox)" "$1/bin/busybox"
  for name in $("$1/bin/busybox" --list); do [[ -e $1/bin/$name ]] || ln -s busybox "$1/bin/$name"; done
}

# an image with one layer, of a folder: image_of NAME FOLDER CONFIG...
image_of() {
  local name=$1 folder=$2 container; shift 2
  container=$(image from scratch)
  image add --quiet "$container" "$folder" / >/dev/null
  image config "$@" "$container"
  image commit --quiet --rm "$container" "localhost/$name" >/dev/null
}

base_images() {
  local sdk=$work/sdk runtime=$work/runtime
  root_of "$sdk"
  take_for_dotnet "$sdk"
  # shellcheck disable=SC2046 # names without spaces
  take "$sdk" $(command -v bash ldd nft)
  take_busybox "$sdk"
  mkdir -p "$sdk/usr/lib/cni" "$sdk$dotnet"
  cp /usr/lib/cni/* "$sdk/usr/lib/cni/"
  image_of wgmesh-sdk "$sdk" --env "PATH=$dotnet:/usr/sbin:/usr/bin" --env HOME=/root --env DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 \
    --env DOTNET_NOLOGO=1 --env DOTNET_CLI_TELEMETRY_OPTOUT=1 --env NUGET_PACKAGES=/packages
  rm -rf "$sdk"

  root_of "$runtime"
  take_for_dotnet "$runtime"
  mkdir -p "$runtime/usr/share/dotnet/shared"
  cp -r "$dotnet/dotnet" "$dotnet/host" "$runtime/usr/share/dotnet/"
  cp -r "$dotnet"/shared/Microsoft.{NETCore,AspNetCore}.App "$runtime/usr/share/dotnet/shared/"
  image_of wgmesh-runtime "$runtime" --env PATH=/usr/sbin:/usr/bin:/sbin:/bin --env ASPNETCORE_HTTP_PORTS=8080
  rm -rf "$runtime"
}

pod_images() {
  local root=$work/busybox
  root_of "$root"
  take_busybox "$root"
  image_of pause:1 "$root" --env PATH=/bin --cmd '["sleep", "2147483647"]'
  mkdir -p "$root/www/cgi-bin"
  hello='#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\n'
  printf '%becho "$HOSTNAME sees $REMOTE_ADDR"\n' "$hello" >"$root/www/cgi-bin/who"
  # an answer that goes on: a number, five times a second
  printf '%bi=0; while echo $i; do i=$((i + 1)); sleep 0.2; done\n' "$hello" >"$root/www/cgi-bin/count"
  chmod +x "$root"/www/cgi-bin/*
  image_of tools:1 "$root" --env PATH=/bin --cmd '["httpd", "-f", "-p", "8080", "-h", "/www"]'
}

# ended by the first command that fails; what that said is shown then
build() {
  work=$(mktemp -d "$cache/.work.XXXXXX")
  log=$work/log
  trap 'status=$?; ((status)) && tail -40 "$log" >&2; rm -rf "$work"; exit "$status"' EXIT
  local packages=${NUGET_PACKAGES:-$HOME/.nuget/packages} name architecture
  architecture=$(dotnet msbuild src/Cli -getProperty:NETCoreSdkPortableRuntimeIdentifier)
  for name in Operator NodeAgent Cli; do
    dotnet restore "src/$name" --locked-mode >"$log" 2>&1
    dotnet restore "src/$name" -p:RuntimeIdentifier="$architecture" >"$log" 2>&1
  done
  base_images >"$log" 2>&1
  pod_images >"$log" 2>&1
  image build --isolation chroot --layers=false --build-arg SDK_IMAGE=localhost/wgmesh-sdk --build-arg RUNTIME_IMAGE=localhost/wgmesh-runtime \
    --build-arg VERSION="$version" --volume "$dotnet:$dotnet:ro" --volume "$packages:/packages:ro" --tag "localhost/wgmesh:$version" . >"$log" 2>&1
  mkdir "$work/out"
  for name in "wgmesh:$version" pause:1 tools:1; do
    image push --quiet "localhost/$name" "docker-archive:$work/out/${name%:*}.tar:localhost/$name" >"$log" 2>&1
  done
  mv "$work/out" "$out"
}

mkdir -p "$cache"
if [[ ! -d $out ]]; then
  exec 9>"$cache/lock"
  flock 9 # another checkout may be building; then there is nothing left to do
  # without the lock's descriptor: a build server that stays behind would keep it
  [[ -d $out ]] || (build) 9>&-
  exec 9>&-
  # of builds that nobody has asked for in two days nothing is kept
  find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +2 -exec rm -rf {} +
fi
touch "$out"
echo "$out"
