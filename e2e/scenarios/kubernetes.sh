#!/usr/bin/env bash
# The mesh on a real Kubernetes API, from nothing: etcd, kube-apiserver, two operators, three nodes with a pod each, and what goes wrong
# in the life of a cluster.
# usage: kubernetes.sh [--keep]      --keep leaves it running; ./demo.sh --down takes that down
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:-}
source e2e/say.sh
export BIN=$PWD/artifacts/bin
source e2e/kubernetes-mesh.sh
mesh_claim
e2e/packages.sh prometheus:promtool
api_prepare

finish() {
  local status=$?
  mesh_finishing
  if ((status)); then
    mesh_logs
    printf '\n%sconditions and events:%s\n' "$bold" "$plain" >&2
    api_conditions >&2
    kubectl get events --all-namespaces >&2
  fi
  if [[ $mode == --keep ]]; then rm "$MESH/owner"; else mesh_down; fi
  exit "$status"
}
mesh_on_exit
e2e/publish.sh

node_has() { mesh_wg "node$1" show wgmesh0 allowed-ips | grep -qF "$2"; } # N PREFIX
everywhere() { local i; for i in 1 2 3; do node_has "$i" "$1" || return 1; done; } # PREFIX

# an external device with a WireGuard of its own: device NAMESPACE PEER ADDRESS...
device() {
  local space=$1 peer=$2 address; shift 2
  mesh_start "$space" "$space" "$BIN/wgmesh-agent" device --foreground wg0
  wait_for 60 "wgmesh-agent device wg0 of $peer is up" mesh_wg "$space" show wg0
  device_config "$space" "$peer"
  for address in "$@"; do ip -n "wgm-$space" addr add "$address" dev wg0; done
  ip -n "wgm-$space" link set wg0 up
  ip -n "wgm-$space" route add 10.244.0.0/16 dev wg0
  ip -n "wgm-$space" route add fd00:244::/32 dev wg0
}

device_config() { mesh_device_config "$1" "$2" "ListenPort = 51820"; } # NAMESPACE PEER

step "A Kubernetes API from nothing"
mesh_underlay
for i in 1 2 3; do mesh_node "$i"; done
mesh_capture
api_up
kubectl version 2>/dev/null | sed 's/^/   /'

step "Definitions, rights, settings and three nodes"
kubernetes_mesh_prepare
kubectl label node node1 node2 role=gateway >/dev/null

step "Two operators, one of which leads"
kubernetes_mesh_operators

step "Three agents, each with the token of a pod on its node"
for i in 1 2 3; do pod_token "$i"; start_agent "$i"; done
for i in 1 2 3; do wait_for 60 "node$i has its configuration" mesh_ready "$i"; done
for i in 1 2 3; do wait_for 60 "WireGuardPeer node$i is Ready" ready "node$i"; done
for i in 1 2 3; do
  for j in 1 2 3; do
    ((i == j)) && continue
    wait_for 60 "pod$i -> pod$j over IPv4" mesh_ping "pod$i" "10.244.$j.10"
    wait_for 60 "pod$i -> pod$j over IPv6" mesh_ping "pod$i" "fd00:244:$j::10"
  done
done
kubernetes_mesh_impostor

step "A laptop joins by kubectl apply"
mesh_namespace ext 10.123.0.100
(umask 077; wg genkey >"$MESH/laptop.key")
kubectl apply -f - <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: laptop}
spec:
  publicKey: $(wg pubkey <"$MESH/laptop.key")
  allowedIPs: [10.99.0.1/32]
Y
wait_for 60 "all nodes have it" everywhere 10.99.0.1/32
wait_for 60 "the status says so" programmed laptop
device ext laptop 10.99.0.1/32
for i in 1 2 3; do wait_for 60 "laptop -> pod$i" mesh_ping ext "10.244.$i.10"; done
wait_for 60 "WireGuardPeer laptop is Ready" ready laptop
wait_for 60 "its status shows the handshake" says . field wgp laptop '{.status.lastHandshakeTime}'
says "^10.123.0.100:51820$" field wgp laptop '{.status.endpoint}' || fail "its endpoint is said to be $(field wgp laptop '{.status.endpoint}')"

step "A site behind two gateways"
mesh_namespace site 10.123.0.110
(umask 077; wg genkey >"$MESH/site.key")
kubectl apply -f - <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: site}
spec:
  publicKey: $(wg pubkey <"$MESH/site.key")
  endpoint: {host: 10.123.0.110, port: 51820}
  allowedIPs: [10.98.0.0/24]
  gateways: {nodeSelector: {role: gateway}}
Y
wait_for 60 "it has a gateway" says '^node[12]$' field wgp site '{.status.gateway}'
device site site 10.98.0.1/24
site_reaches() { device_config site site && mesh_ping site "10.244.$1.10"; } # N: as it is configured now
for i in 1 2 3; do wait_for 60 "site -> pod$i" site_reaches "$i"; done
for i in 1 2 3; do wait_for 60 "pod$i -> site" mesh_ping "pod$i" 10.98.0.1; done
mesh_wg node3 show wgmesh0 peers | grep -qF "$(wg pubkey <"$MESH/site.key")" && fail "node3, which is no gateway, has the site as a peer"
wait_for 60 "WireGuardPeer site is Ready" ready site
gateway=$(field wgp site '{.status.gateway}')
note "its gateway is $gateway"
mesh_kill "$gateway" KILL
other=node$((3 - ${gateway#node}))
wait_for 60 "$gateway's agent is dead: the gateway is $other" is "$other" field wgp site '{.status.gateway}'
wait_for 60 "site -> pod3 through $other" site_reaches 3
wait_for 60 "pod3 -> site through $other" mesh_ping pod3 10.98.0.1
wait_for 60 "the status says that $gateway's agent is gone" is AgentNotConnected condition wgp "$gateway" Ready reason
start_agent "${gateway#node}"
wait_for 60 "$gateway is back" ready "$gateway"
wait_for 60 "pod1 -> pod2" mesh_ping pod1 10.244.2.10
# a device without an endpoint has to call first, and notices by its own timers that its session is gone
for i in 1 2 3; do wait_for 60 "laptop -> pod$i" mesh_ping ext "10.244.$i.10"; done

step "Conflicts: the loser is told, the winner untouched"
kubectl apply -f - <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: twin}
spec: {publicKey: "$(wg pubkey <"$MESH/laptop.key")", allowedIPs: [10.99.7.0/24]}
---
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: greedy}
spec: {publicKey: "$(wg genkey | wg pubkey)", allowedIPs: [10.244.2.0/24, 10.99.0.1/32, 10.99.8.0/24]}
Y
wait_for 60 "twin, which has laptop's key, is not accepted" is False condition wgp twin Accepted status
says laptop condition wgp twin Accepted message || fail "its condition does not name the winner: $(condition wgp twin Accepted message)"
wait_for 60 "greedy is told what it does not get" says '10.244.2.0/24.*10.99.0.1/32|10.99.0.1/32.*10.244.2.0/24' condition wgp greedy Accepted message
note "twin: $(condition wgp twin Accepted message)"
note "greedy: $(condition wgp greedy Accepted message)"
told() { says "$1" kubectl get events --all-namespaces --field-selector "involvedObject.kind=WireGuardPeer,involvedObject.name=$1"; }
for i in twin greedy; do wait_for 60 "an event on $i" told "$i"; done
wait_for 60 "what nobody else has, greedy gets" everywhere 10.99.8.0/24
if node_has 1 10.99.7.0/24; then fail "twin's prefix was configured"; fi
is True condition wgp laptop Accepted status || fail "laptop is no longer accepted"
for i in 1 2 3; do in_ns ext ping -n -q -c 1 -W 20 "10.244.$i.10" >/dev/null || fail "laptop no longer reaches pod$i"; done
ok "laptop reaches every pod as before"
wait_for 120 "the mesh lists the conflicts" says twin kubectl get wgm default -o 'jsonpath={.status.conflicts}'
# counters are written once a minute
for i in laptop site node1; do wait_for 120 "the status of $i counts its sessions" says '^[1-3]/[1-3]$' field wgp "$i" '{.status.connectedNodes}'; done
shown() { printf '$ kubectl %s\n' "$*"; kubectl "$@"; echo; }
for i in "get wgp" "get wgp -o wide" "get wgm -o wide" "describe wgp twin" "describe wgp laptop" "get events"; do shown $i; done >"$MESH/shown"
wgmesh status >"$MESH/status"

step "The leader is killed"
old=$(leader)
new=$([[ $old == a ]] && echo b || echo a)
operator=$new
mesh_start ping pod1 ping -n -i 0.1 10.244.3.10
mesh_kill "operator-$old" KILL
kubectl apply -f - <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: late}
spec: {publicKey: "$(wg genkey | wg pubkey)", allowedIPs: [10.99.9.0/24]}
Y
wait_for 60 "$new leads" leads "$new"
wait_for 60 "all nodes have what was applied meanwhile" everywhere 10.99.9.0/24
wait_for 60 "the status says so" programmed late
mesh_kill ping INT
sent=$(sed -nE 's/^([0-9]+) packets transmitted.*/\1/p' "$MESH/log/ping.log")
sed -nE 's/.* icmp_seq=([0-9]+) .*/\1/p' "$MESH/log/ping.log" | sort -nu >"$MESH/answered"
last=$(tail -n 1 "$MESH/answered")
diff <(seq "$last") "$MESH/answered" || fail "$((last - $(wc -l <"$MESH/answered"))) of the first $last pings were lost"
# the last answers may be on their way: a second's, a fifth of what a session that has to be made anew would cost
((last >= sent - 10)) || fail "the last $((sent - last)) of $sent pings were lost"
ok "$last pings between pods meanwhile, none lost"
for i in 1 2 3; do wait_for 60 "WireGuardPeer node$i is Ready" ready "node$i"; done
start_operator "$old"
wait_for 60 "operator $old is back, and follows" operator_ready "$old"
leads "$new" || fail "$new leads no longer"

step "A node is replaced by another of its name"
before=$(field wgp node3 '{.metadata.uid} {.spec.publicKey}')
addresses=$(field wgp node1 '{.status.allocatedAddresses}')
mesh_kill node3 KILL
kubectl delete node node3
kubectl -n wgmesh delete pod wgmesh-agent-node3 --force --grace-period=0 >/dev/null 2>&1
mesh_cleanup 3
rm -rf "$MESH/node3"
gone() { ! kubectl get wgp node3 && ! node_has 1 10.244.3.0/24 && ! node_has 2 10.244.3.0/24; }
wait_for 60 "its WireGuardPeer is gone, and nobody leads its pods' addresses anywhere" gone
kubectl apply -f "$MESH/manifests/node3.yaml"
pod_token 3
start_agent 3
wait_for 60 "WireGuardPeer node3 is Ready" ready node3
after=$(field wgp node3 '{.metadata.uid} {.spec.publicKey}')
[[ ${before% *} != "${after% *}" && ${before#* } != "${after#* }" ]] || fail "it is the old object or has the old key"
ok "another object with another key"
key_replaced() { mesh_wg "node$1" show wgmesh0 peers >"$MESH/peers"; grep -qF "${after#* }" "$MESH/peers" && ! grep -qF "${before#* }" "$MESH/peers"; }
for i in 1 2; do
  wait_for 60 "node$i has the new key and not the old one" key_replaced "$i"
  wait_for 60 "pod$i -> pod3" mesh_ping "pod$i" 10.244.3.10
done
[[ $(field wgp node1 '{.status.allocatedAddresses}') == "$addresses" ]] || fail "node1 was renumbered"
ok "nobody else was renumbered"

step "The API server goes away: nothing happens to the mesh"
mesh_kill apiserver KILL
wait_for 60 "pod1 -> pod2" mesh_ping pod1 10.244.2.10
mesh_kill node2 KILL
start_agent 2
wait_for 60 "an agent that starts meanwhile: pod1 -> pod2" mesh_ping pod1 10.244.2.10
wait_for 60 "laptop -> pod2" mesh_ping ext 10.244.2.10
for i in a b; do operator_ready "$i" >/dev/null || fail "operator $i is not ready"; done
ok "both operators serve"
api_start_server
wait_for 120 "kube-apiserver is back" api_ready
kubectl delete wgp twin greedy late >/dev/null
kubectl apply -f - <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: later}
spec: {publicKey: "$(wg genkey | wg pubkey)", allowedIPs: [10.99.10.0/24]}
Y
wait_for 60 "what is applied now comes to all nodes" everywhere 10.99.10.0/24
wait_for 60 "the status says so" programmed later
for i in 1 2 3; do wait_for 60 "WireGuardPeer node$i is Ready" ready "node$i"; done
wait_for 60 "WireGuardMesh is Ready" is True condition wgm default Ready status

step "promtool has nothing to say of the metrics"
for i in a b; do
  in_ns net curl -fsS "http://127.0.0.1:${metrics[$i]}/metrics" >"$MESH/operator-$i.metrics"
  promtool check metrics <"$MESH/operator-$i.metrics" || fail "promtool complains of operator $i"
done
ok "promtool check metrics"

step "What crossed the underlay"
mesh_captured 100

step "As kubectl showed it amid the conflicts"
sed 's/^/   /' "$MESH/shown" "$MESH/status"
printf '\n%sall of it holds%s\n' "$green" "$plain"
