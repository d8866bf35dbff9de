#!/usr/bin/env bash
# Runs the tests and ends with "N passed, N failed".
#
# usage: ./test.sh [--fast]
#   (none)   everything: also what needs root, network namespaces and other programs, which it installs, and the
#            scenarios of e2e/
#   --fast   the inner loop: only what needs nothing but the SDK
set -euo pipefail
cd "$(dirname "$0")"
source e2e/say.sh
fast=
case ${1:-} in
  '') ;;
  --fast) fast=1 ;;
  *) sed -n '4,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

passed=0 failed=0
count() { passed=$((passed + $1)); failed=$((failed + $2)); }

if [[ -z $fast ]]; then
  step "What the tests need"
  [[ $(id -u) == 0 ]] || fail "namespaces and TUNs take root: sudo ./test.sh, or ./test.sh --fast"
  e2e/packages.sh wireguard-tools:wg iproute2:ip iputils-ping:ping tcpdump:tcpdump curl:curl prometheus:promtool \
    nodejs:node npm:npm util-linux:nsenter procps:sysctl qemu-system-x86:qemu-system-x86_64 busybox-static:busybox cpio:cpio \
    kmod:depmod nftables:nft conntrack:conntrack etcd-server:etcd openssl:openssl containernetworking-plugins:/usr/lib/cni/ptp \
    containerd:containerd runc:runc iptables:iptables buildah:buildah iperf3:iperf3
  export SIMULATION_SEEDS=2000
  # without it the tests that need it fail, and say why
  if WGMESH_WIREGUARD_GO=$(e2e/wireguard-go.sh); then
    export WGMESH_WIREGUARD_GO
    ok "$("$WGMESH_WIREGUARD_GO" --version | head -1)"
  fi
  if WGMESH_KERNEL_PEER=$(e2e/kernel-peer.sh); then
    export WGMESH_KERNEL_PEER
    ok "a Linux kernel with WireGuard in ${WGMESH_KERNEL_PEER##*/}"
  fi
  if WGMESH_KUBERNETES=$(e2e/kubernetes.sh kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy); then
    export WGMESH_KUBERNETES
    ok "kube-apiserver and what makes a cluster of it: $("$WGMESH_KUBERNETES/kube-apiserver" --version)"
  fi
  if WGMESH_KUBECTL=$(e2e/kubectl.sh); then
    export WGMESH_KUBECTL
    ok "kubectl: $("$WGMESH_KUBECTL" version --client | head -1), helm: $("${WGMESH_KUBECTL%/*}/helm" version --short)"
  fi
fi

step "Build"
dotnet build WgMesh.sln -c Release --nologo -v quiet
ok "no warnings"

step "Tests"
log=$(mktemp) results=$(mktemp -d)
# tests that are interrupted leave namespaces behind, with what runs in them; the process id in the name says whose they were
leave_nothing() {
  rm -rf "$log" "$results"
  [[ -n $fast ]] && return
  local ns
  for ns in $(ip netns list 2>/dev/null | awk '$1 ~ /^wgt-/ {print $1}'); do
    if [[ $ns =~ ^wgt-([0-9]+)- && ! -d /proc/${BASH_REMATCH[1]} ]]; then
      ip netns pids "$ns" | xargs -r kill -KILL || true # some end by themselves
      ip netns del "$ns" || true
    fi
  done
  local socket
  for socket in /var/run/wireguard/*.sock; do
    # wgb1234a, wgi1234n1, wgq1234n1, wgr1234, wgr1234b, wgd1234x1
    if [[ ${socket##*/} =~ ^wg[biqrd]([0-9]+)[a-z.] && ! -d /proc/${BASH_REMATCH[1]} ]]; then rm -f "$socket"; fi
  done
  return 0
}
trap leave_nothing EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# What needs the system runs apart from what does not: simulations that fill every core would upset its timing, and processes that it
# starts would hold on for a moment to ports and files that the others have just closed. What needs it runs one after another for the same
# reason: until it has become the program that it is to be, a process that is started has whatever any test has open.
passes=("needs!=system")
[[ -z $fast ]] && passes+=("needs=system")
# run_tests PROJECT PASS OUTCOME: what it prints comes into OUTCOME.log, and its exit code into OUTCOME.status
run_tests() {
  local status=0 parallel=true
  [[ $2 == "needs=system" ]] && parallel=false
  dotnet test "$1" -c Release --no-build --nologo --filter "$2" --blame-hang-timeout 15m --blame-hang-dump-type none \
    --results-directory "$results" -- "xUnit.ParallelizeTestCollections=$parallel" >"$3.log" 2>&1 || status=$?
  echo "$status" >"$3.status"
}
# tally NAME PASS: counts what run_tests has left
tally() {
  local line f p s status
  mv "$results/$1.log" "$log"
  status=$(<"$results/$1.status")
  # "Passed!  - Failed:     0, Passed:    42, Skipped:     0, Total:    42, ..."
  line=$(grep -E '^(Passed|Failed|Skipped)! ' "$log" | tail -1 || true)
  if [[ $line =~ Failed:\ +([0-9]+),\ Passed:\ +([0-9]+),\ Skipped:\ +([0-9]+) ]]; then
    f=${BASH_REMATCH[1]} p=${BASH_REMATCH[2]} s=${BASH_REMATCH[3]}
    f=$((f + s)) # a skipped test has shown nothing
    ((status && !f)) && f=1
    count "$p" "$f"
    ran=$((ran + p + f))
    if ((f)); then
      cat "$log"
      printf '   %s%s (%s): %s passed, %s failed%s\n' "$red" "$1" "$2" "$p" "$f" "$plain"
    else
      ok "$1 ($2): $p"
    fi
  elif ! grep -q 'No test matches' "$log"; then
    cat "$log"
    count 0 1
    ran=$((ran + 1))
  fi
}
if [[ -n $fast ]]; then
  # most of these wait for time to pass: three at once take little longer than one
  for project in tests/*/*.Tests.csproj; do
    while (($(jobs -rp | wc -l) >= 3)); do wait -n; done
    run_tests "$project" "needs!=system" "$results/$(basename "$project" .Tests.csproj)" &
  done
  wait
fi
for project in tests/*/*.Tests.csproj; do
  name=$(basename "$project" .Tests.csproj)
  ran=0
  for pass in "${passes[@]}"; do
    [[ -n $fast ]] || run_tests "$project" "$pass" "$results/$name"
    tally "$name" "$pass"
  done
  if ((ran == 0)) && [[ -z $fast ]]; then
    note "$name: not one test was found"
    count 0 1
  fi
done

step "ChaCha20-Poly1305 where there is no AVX-512, and half the registers"
ran=0
DOTNET_EnableAVX512=0 run_tests tests/Engine/Engine.Tests.csproj "FullyQualifiedName~Crypto" "$results/Engine"
tally Engine "Crypto"
((ran)) || count 0 1

if [[ -z $fast ]]; then
  step "Fuzzing, for a moment"
  if dotnet run -c Release --no-build --project bench/Fuzz -- --seed 1 --seconds 1 >"$log" 2>&1; then
    count 1 0
    ok "$(tail -n +2 "$log" | sed 's/: \([0-9]*\).*/ \1/' | paste -sd, | sed 's/,/, /g') scenarios"
  else
    count 0 1
    cat "$log"
  fi

  scenarios=("./demo.sh --smoke")
  for script in e2e/scenarios/*.sh; do [[ -e $script ]] && scenarios+=("$script"); done
  for scenario in "${scenarios[@]}"; do
    step "$scenario"
    if $scenario >"$log" 2>&1; then
      count 1 0
      ok "$(grep -c ' ok ' "$log") checks"
    else
      count 0 1
      cat "$log"
      printf '   %s%s failed%s\n' "$red" "$scenario" "$plain"
    fi
  done
fi

printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
