#!/usr/bin/env bash
# Shows the mesh carrying traffic, on this one machine: an operator, three nodes with a pod each, and a device from
# outside, every one in a network namespace of its own. Everything it makes is gone afterwards.
#
# usage: ./demo.sh [--smoke | --keep | --down]
#   (none)    shows it step by step, then waits for a key before taking it down
#   --smoke   the same without waiting; exits 0 only if all of it worked
#   --keep    leaves it running; --down takes that down
# needs: Linux, root, the .NET 10 SDK. Installs wireguard-tools, iproute2, tcpdump... from Debian where they are missing.
set -euo pipefail
cd "$(dirname "$0")"
mode=${1:-show}
source e2e/say.sh
export BIN=$PWD/artifacts/bin
source e2e/mesh.sh

case $mode in
  show | --smoke | --keep) ;;
  --down) mesh_take_down; exit 0 ;;
  -h | --help) sed -n '5,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) sed -n '5,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
step "What it needs"
mesh_claim

finish() {
  local status=$?
  mesh_finishing
  ((status && status != 130)) && mesh_logs
  if [[ $mode == --keep && $status == 0 ]]; then
    rm "$MESH/owner" # the next one is not to take it for a leftover
    note "left running in $MESH; ./demo.sh --down takes it down"
  else
    mesh_down
  fi
  exit "$status"
}
mesh_on_exit
e2e/publish.sh
ok "programs are built in artifacts/bin"

step "An underlay, three nodes with a pod each, and the operator"
mesh_underlay
for i in 1 2 3; do mesh_node "$i"; done
mesh_capture
mesh_start_operator
wait_for 60 "operator is ready" in_ns net curl -fsS http://127.0.0.1:9585/readyz
for i in 1 2 3; do mesh_start_agent "$i"; done
for i in 1 2 3; do wait_for 60 "node$i has its configuration" mesh_ready "$i"; done

step "Every pod pings every other pod, over IPv4 and IPv6"
for i in 1 2 3; do
  for j in 1 2 3; do
    ((i == j)) && continue
    wait_for 60 "pod$i -> pod$j  10.244.$j.10" mesh_ping "pod$i" "10.244.$j.10"
    wait_for 60 "pod$i -> pod$j  fd00:244:$j::10" mesh_ping "pod$i" "fd00:244:$j::10"
  done
done
wait_for 60 "node1 itself reaches pod2" mesh_ping node1 10.244.2.10

step "node1 as wg sees it"
mesh_wg node1 show wgmesh0 | sed 's/^/   /'

step "Links, from the agents' metrics"
for i in 1 2 3; do mesh_metrics "$i" >"$MESH/metrics$i"; done
now=$(date +%s)
awk -v now="$now" '
  /^wgmesh_peer_last_handshake_timestamp_seconds/ {
    split(FILENAME, f, "metrics"); match($0, /peer="[^"]*"/); peer = substr($0, RSTART + 6, RLENGTH - 7)
    age = "no handshake yet"
    if ($2 > 0) { age = sprintf("last handshake %d s ago", now - $2); up++ }
    printf "   node%s -> %-8s %s\n", f[2], peer, age
  }
  END { if (up < 6) exit 1 }' "$MESH"/metrics[123] || fail "not every link has a handshake"
ok "6 of 6 directions have a session"

step "A laptop joins: one YAML file into the manifests folder"
mesh_namespace ext 10.123.0.100
(umask 077; wg genkey >"$MESH/laptop.key")
cat >"$MESH/laptop.yaml" <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata:
  name: laptop
spec:
  publicKey: $(wg pubkey <"$MESH/laptop.key")
  allowedIPs: [10.99.0.1/32]
Y
sed 's/^/   | /' "$MESH/laptop.yaml"
cp "$MESH/laptop.yaml" "$MESH/manifests/"
laptop_configured() { mesh_cli peer-config laptop >"$MESH/laptop.conf" && grep -q '^\[Peer\]' "$MESH/laptop.conf"; }
wait_for 60 "kubectl-wgmesh peer-config laptop prints its configuration" laptop_configured
mesh_start ext ext "$BIN/wgmesh-agent" device --foreground wg0
wait_for 60 "wgmesh-agent device wg0 is up" mesh_wg ext show wg0
grep -vE '^(Address|MTU|DNS|#)' "$MESH/laptop.conf" | sed "s|^\[Interface\]|&\nPrivateKey = $(<"$MESH/laptop.key")|" >"$MESH/laptop.wg"
mesh_wg ext setconf wg0 "$MESH/laptop.wg"
ip -n wgm-ext addr add 10.99.0.1/32 dev wg0
ip -n wgm-ext link set wg0 up
ip -n wgm-ext route add 10.244.0.0/16 dev wg0
for i in 1 2 3; do wait_for 60 "laptop -> pod$i" mesh_ping ext "10.244.$i.10"; done
wait_for 60 "pod2 -> laptop" mesh_ping pod2 10.99.0.1

step "... and leaves: the file goes"
rm "$MESH/manifests/laptop.yaml"
laptop_gone() { ! mesh_ping ext 10.244.1.10 && [[ $(mesh_wg node1 show wgmesh0 peers | wc -l) == 2 ]]; }
wait_for 60 "laptop reaches nothing" laptop_gone

step "The operator goes away: nothing happens to the traffic"
mesh_kill operator KILL
wait_for 60 "pod1 -> pod3 without an operator" mesh_ping pod1 10.244.3.10

step "An agent is killed and started again, still without an operator"
mesh_kill node2 KILL
since() { echo $(((${EPOCHREALTIME/./} - $1) / 1000)); } # milliseconds
start=${EPOCHREALTIME/./}
mesh_start_agent 2
in_ns pod1 ping -n -q -i 0.2 -c 1 -w 60 10.244.2.10 >/dev/null || fail "pod1 does not reach pod2 again within 60 s" # asks five times a second
ok "links were back within $(since "$start") ms, from the configuration on disk"

step "What crossed the underlay"
mesh_captured 50

if [[ $mode != --smoke ]]; then
  step "To play with"
  mesh_start_operator
  wait_for 60 "the operator is back" in_ns net curl -fsS http://127.0.0.1:9585/readyz
  cat <<Y
   a ping between pods     nsenter --net=/run/netns/wgm-pod1 ping 10.244.3.10
   a node as wg sees it    nsenter -t \$(cat $MESH/pids/node1) -n -m wg show
   manifests, watched      $MESH/manifests   (the laptop's: cp $MESH/laptop.yaml there)
   the operator's view     nsenter --net=/run/netns/wgm-net $BIN/kubectl-wgmesh status --operator https://$mesh_operator --ca $MESH/operator/ca.crt --token-file $MESH/tokens/tools
   a node's metrics        nsenter --net=/run/netns/wgm-node1 curl -s http://127.0.0.1:9586/metrics
   logs                    $MESH/log
Y
  if [[ $mode == show && -t 0 ]]; then
    printf '\nEnter takes it down.\n'
    read -r _
  fi
fi
printf '\n%sThe mesh works.%s\n' "$green" "$plain"
