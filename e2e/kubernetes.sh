#!/usr/bin/env bash
# Builds Kubernetes server programs from Debian's source package, because no registry carries them as programs: once per
# machine, 5 minutes on two cores for kube-apiserver. They are kept outside the checkout; delete the folder to have them
# built anew.
# usage: kubernetes.sh [PROGRAM...]      default kube-apiserver; prints the folder that holds them
set -euo pipefail
cd "$(dirname "$0")"
programs=("$@")
((${#programs[@]})) || programs=(kube-apiserver)
suite=bookworm # the last one whose source builds without modules from elsewhere; programs of any age are to work with it
for program in "${programs[@]}"; do
  case $program in
    kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kube-proxy) ;;
    *) echo "$program is no program of a Kubernetes server: kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy" >&2; exit 2 ;;
  esac
done
out=${XDG_CACHE_HOME:-$HOME/.cache}/wgmesh/kubernetes
complete() { local program; for program in "${programs[@]}"; do [[ -x $out/$program ]] || return 1; done; }

build() {
  ./packages.sh golang-go:go make:make rsync:rsync jq:jq ca-certificates:update-ca-certificates >&2
  local work source version major minor program log
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # this folder
  trap "rm -rf '$work'" EXIT
  chmod 755 "$work" # apt's unprivileged downloader has to get in
  log=$work/log
  cd "$work"
  die() { tail -20 "$log" >&2; echo "$1" >&2; exit 1; }

  # Debian's mirror as this machine has it configured (not the security archive), asked for sources
  mkdir -p lists/partial parts
  shopt -s nullglob
  local files=(/etc/apt/sources.list.d/*.sources) uri
  uri=$(awk '/^URIs:/ && !/security/ && /debian/ {print $2; exit}' /dev/null "${files[@]}")
  [[ -n $uri ]] || uri=$(awk '$1 == "deb" && !/security/ && /debian/ {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; exit}}' /dev/null /etc/apt/sources.list 2>/dev/null || true)
  [[ -n $uri ]] || { echo "no Debian mirror is configured: put ${programs[*]} of Kubernetes 1.20 or newer into $out" >&2; exit 1; }
  local signed=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ -e $signed ]] || { echo "$signed is missing: install debian-archive-keyring" >&2; exit 1; }
  printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$uri" "$suite" "$signed" >parts/source.sources
  local apt=(apt-get -q -o Acquire::Retries=5 -o "Dir::Etc::sourceparts=$work/parts" -o Dir::Etc::sourcelist=/dev/null -o "Dir::State::Lists=$work/lists")
  "${apt[@]}" update >"$log" 2>&1 || true # if it failed, the next line does
  "${apt[@]}" source --download-only --only-source kubernetes >>"$log" 2>&1 || die "the source of kubernetes cannot be fetched from Debian's archive"
  # The reflect2 in that tree breaks the memory of programs that Go 1.18 or newer compiles: an API server of it dies with "fatal error:
  # fault" on the first custom resource. Debian has a later one.
  apt-get -q download golang-github-modern-go-reflect2-dev >>"$log" 2>&1 ||
    { apt-get -q update && apt-get -q download golang-github-modern-go-reflect2-dev; } >>"$log" 2>&1 ||
    die "golang-github-modern-go-reflect2-dev cannot be fetched from Debian's archive"
  dpkg -x golang-github-modern-go-reflect2-dev_*.deb reflect2
  mkdir -p gopath/src/k8s.io
  tar xaf kubernetes_*.orig.tar.* 2>>"$log" || die "what Debian's archive holds of kubernetes does not unpack"
  source=$(echo kubernetes-1.*)
  [[ -d $source ]] || die "what Debian's archive holds is not as expected: no folder kubernetes-1.*"
  mv "$source" gopath/src/k8s.io/kubernetes
  version=v${source#kubernetes-}
  cd gopath/src/k8s.io/kubernetes
  rm -rf vendor/github.com/modern-go/reflect2
  cp -r "$work/reflect2/usr/share/gocode/src/github.com/modern-go/reflect2" vendor/github.com/modern-go/
  rm -f vendor/github.com/modern-go/reflect2/*_test.go

  IFS=. read -r major minor _ <<<"${version#v}"
  printf '%s\n' "KUBE_GIT_COMMIT='debian'" "KUBE_GIT_TREE_STATE='clean'" "KUBE_GIT_VERSION='$version'" "KUBE_GIT_MAJOR='$major'" "KUBE_GIT_MINOR='$minor'" >"$work/version"
  export GOPATH=$work/gopath GOCACHE=$work/gocache KUBE_GIT_VERSION_FILE=$work/version GOFLAGS='' GOTOOLCHAIN=local GOPROXY=off
  make generated_files >>"$log" 2>&1 || die "the generated sources of Kubernetes $version cannot be made"
  export GO111MODULE=off
  local package flags="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    package=k8s.io/kubernetes/vendor/$package
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=$major -X $package.gitMinor=$minor"
  done
  for program in "${programs[@]}"; do
    [[ -x $out/$program ]] && continue
    echo "building $program $version, some minutes" >&2
    go build -trimpath -ldflags "$flags" -o "$work/$program" "k8s.io/kubernetes/cmd/$program" >>"$log" 2>&1 || die "$program $version does not build"
    "$work/$program" --version >>"$log" 2>&1 || die "$program $version was built and does not run"
    mv "$work/$program" "$out/.$program.new" # from another file system, so not at one stroke
    mv "$out/.$program.new" "$out/$program"
  done
}

if ! complete; then
  mkdir -p "$out"
  exec 9>"$out.lock"
  flock 9 # another checkout may be building; then there is nothing left to do
  complete || (build)
  exec 9>&-
fi
echo "$out"
