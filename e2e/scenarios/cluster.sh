#!/usr/bin/env bash
# The chart in a real cluster on this one machine, from nothing: the image built and installed with helm on three nodes with containerd,
# kubelet and kube-proxy, pods and services that use the mesh, a device from outside, upgrades under traffic, what goes wrong in the life
# of a cluster, and an uninstall that leaves nothing.
# usage: cluster.sh [--keep | --down]      --keep leaves it running; --down takes that down
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:-}
source e2e/say.sh
export BIN=$PWD/artifacts/bin
MESH=/run/wgmesh-cluster mesh_name=wgc mesh_ipv4=10.124.0 mesh_ipv6=fd00:124 mesh_takes_down="$0 --down"
source e2e/machine.sh
API=$MESH/kubernetes api_address=$mesh_ipv4.254
api_run() { local name=$1; shift; mesh_start "$name" net "$@"; }
api_at() { in_ns net "$@"; }
source e2e/apiserver.sh
source e2e/cluster/control-plane.sh
source e2e/cluster/nodes.sh

case $mode in
  '' | --keep) ;;
  --down) [[ $(id -u) == 0 ]] || fail "it takes root"; set +e; cluster_down; exit 0 ;;
  *) sed -n '5s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

# a step that says how long the one before took
phase() { [[ -n ${began:-} ]] && note "took $((SECONDS - began)) s"; began=$SECONDS; step "$@"; }
SECONDS=0

phase "What it needs"
cluster_claim
e2e/packages.sh containerd:containerd runc:runc iptables:iptables conntrack:conntrack busybox-static:busybox
api_prepare "${cluster_programs[@]}"

finish() {
  local status=$?
  mesh_finishing
  if ((status)); then
    mesh_logs
    printf '\n%spods, conditions and events:%s\n' "$bold" "$plain" >&2
    kubectl get pods --all-namespaces -o wide >&2
    kubectl get wgp,wgm -o 'go-template={{range .items}}{{$name := .metadata.name}}{{range .status.conditions}}{{printf "%s %s=%s %s: %s\n" $name .type .status .reason .message}}{{end}}{{end}}' >&2
    kubectl get events --all-namespaces --sort-by=.lastTimestamp 2>&1 | tail -40 >&2
    for pod in $(kubectl -n wgmesh get pods -o name); do
      echo "== $pod" >&2
      kubectl -n wgmesh logs "$pod" --tail=15 >&2
    done
  fi
  if [[ $mode == --keep ]]; then
    rm "$MESH/owner" # the next one is not to take it for a leftover
    note "left running in $MESH; $mesh_takes_down takes it down"
  else
    cluster_down
  fi
  exit "$status"
}
mesh_on_exit
e2e/publish.sh
CLUSTER_IMAGES=$(e2e/image.sh)
version=$(sed -n 's|.*<Version>\(.*\)</Version>.*|\1|p' Directory.Build.props)
ok "localhost/wgmesh:$version, $(($(stat -c %s "$CLUSTER_IMAGES/wgmesh.tar") / 1048576)) MiB"

phase "A cluster from nothing: no pod network yet"
mesh_bridge
mesh_capture
cluster_control_plane
for i in 1 2 3; do cluster_node "$i"; cluster_boot "$i"; done
registered() { [[ $(kubectl get nodes -o name | wc -l) == 3 ]]; }
wait_for 120 "three nodes have registered" registered
kubectl get nodes -o wide | sed 's/^/   /'
