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
  --down) mesh_take_down cluster_down; exit 0 ;;
  *) sed -n '5s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

# a step that says how long the one before took
phase() { [[ -n ${began:-} ]] && note "took $((SECONDS - began)) s"; began=$SECONDS; step "$@"; }
SECONDS=0
# as people see it: shown COMMAND...
shown() { printf '   $ %s\n' "$*"; "$@" | sed 's/^/   /'; }

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
    api_conditions >&2
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
shown kubectl get nodes

# of a node: how it is before the chart comes and after it has gone, but for what another node of its name has at random. The tables of
# kube-proxy and kubelet are theirs; they speak iptables.
left_on() { # N
  on_node "$1" bash -c '
    ip -o link | sed "s/^[0-9]*: //; s/ qlen.*//; s/ state.*//"
    ip -o addr; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule
    nft list tables | grep -vE " (filter|nat|mangle|raw|security)$" | while read -r table; do nft list $table; done
    find /etc/cni /opt/cni /run/wgmesh /var/lib/cni/networks -not -type d -exec sha256sum {} + 2>/dev/null
    true' | sed 's/@if[0-9]*//; s/fe80::[0-9a-f:]*/fe80::/'
}

phase "Pods wait for a pod network"
web_pod() { # N, on that node
  kubectl apply -f - <<Y
apiVersion: v1
kind: Pod
metadata: {name: web$1, labels: {app: web}}
spec:
  nodeSelector: {kubernetes.io/hostname: node$1}
  terminationGracePeriodSeconds: 1
  containers: [{name: web, image: "localhost/tools:1", ports: [{containerPort: 8080, hostPort: 8088}]}]
Y
}
for i in 1 2 3; do web_pod "$i"; done
kubectl apply -f - <<'Y'
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ipFamilyPolicy: PreferDualStack, ports: [{port: 80, targetPort: 8080}]}
Y
for i in 1 2 3; do
  wait_for 60 "node$i is not ready" says 'cni plugin not initialized' condition node "node$i" Ready message
  left_on "$i" >"$MESH/before$i"
done
phase_of() { kubectl get pod "$1" -o 'jsonpath={.status.phase}'; }
is Pending phase_of web1 || fail "a pod runs without a pod network"
note "$(condition node node1 Ready message)"

# a status that changed often of late is held back for up to a minute: whoever waits for one waits longer
phase "helm install"
cat >"$MESH/values.yaml" <<Y
image: {repository: localhost/wgmesh, tag: "$version", pullPolicy: IfNotPresent}
mesh:
  spec:
    podCIDRs: [10.244.0.0/16, "fd00:244::/48"]
    serviceCIDRs: [10.96.0.0/16, "fd00:96::/112"]
Y
chart() { helm "$@" --namespace wgmesh; }
chart install wgmesh deploy/helm/wgmesh --create-namespace --values "$MESH/values.yaml" | sed 's/^/   | /'
node_ready() { is True condition node "node$1" Ready status; }
for i in 1 2 3; do wait_for 180 "node$i is Ready" node_ready "$i"; done
for i in 1 2 3; do
  is 10-wgmesh.conflist on_node "$i" ls -A /etc/cni/net.d || fail "in /etc/cni/net.d of node$i is $(on_node "$i" ls -A /etc/cni/net.d)"
done
ok "because of 10-wgmesh.conflist"
kubectl -n wgmesh rollout status deployment/wgmesh-operator --timeout=180s >/dev/null
kubectl -n wgmesh rollout status daemonset/wgmesh-agent --timeout=180s >/dev/null
shown kubectl -n wgmesh get pods -o wide
pods_on() { kubectl -n wgmesh get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName}{"\n"}{end}' | awk -v name="^$1-" '$1 ~ name {print $2}' | sort; }
[[ $(pods_on wgmesh-operator | uniq | wc -l) == 2 ]] || fail "operators are on: $(pods_on wgmesh-operator | paste -sd' ')"
ok "two operators on two nodes"
agent_pod() { kubectl -n wgmesh get pods --field-selector "spec.nodeName=node$1" -o name | grep '^pod/wgmesh-agent-'; } # N
agent_process() { on_node "$1" pgrep -f '^/app/wgmesh-agent run'; } # N
for i in 1 2 3; do
  capabilities=$(on_node "$i" sed -n 's/^CapBnd:\t0*//p' "/proc/$(agent_process "$i")/status")
  [[ $capabilities == 1000 ]] || fail "the agent on node$i may have the capabilities $capabilities, not NET_ADMIN alone"
done
ok "agents have CAP_NET_ADMIN and no other capability"
for i in 1 2 3; do wait_for 120 "WireGuardPeer node$i is Ready" ready "node$i"; done
wait_for 60 "WireGuardMesh is Ready" is True condition wgm default Ready status
shown kubectl get nodes
shown kubectl get wireguardmeshes,wireguardpeers

phase "Pods on different nodes reach each other"
kubectl wait pod --for=condition=Ready -l app=web --timeout=120s >/dev/null
shown kubectl get pods -o wide
declare -A pod4 pod6
address_of() { kubectl get pod "web$1" -o "jsonpath={.status.podIPs[$2].ip}"; }
addresses() { local i; for i in 1 2 3; do pod4[$i]=$(address_of "$i" 0) pod6[$i]=$(address_of "$i" 1); done; }
addresses
reaches() { in_pod "$1" "web$1" ping -n -q -c 1 -W 2 "$2"; } # N ADDRESS
for i in 1 2 3; do
  for j in 1 2 3; do
    ((i == j)) && continue
    wait_for 60 "web$i -> web$j  ${pod4[$j]}" reaches "$i" "${pod4[$j]}"
    wait_for 60 "web$i -> web$j  ${pod6[$j]}" reaches "$i" "${pod6[$j]}"
  done
done
page() { curl -fsS -g -m 10 "http://$1/cgi-bin/${2:-who}"; }
for i in 1 2 3; do wait_for 60 "node$i -> web$((i % 3 + 1))" in_ns "node$i" ping -n -q -c 1 -W 2 "${pod4[$((i % 3 + 1))]}"; done
export -f page
in_pod_page() { in_pod "$1" "web$1" bash -c 'page "$1"' - "$2"; } # N HOST
wait_for 60 "web1 is seen under its own address by web2" says "web2 sees .*:${pod4[1]}]" in_pod_page 1 "${pod4[2]}:8080"
wait_for 60 "also over IPv6" says "web2 sees .${pod6[1]}]" in_pod_page 1 "[${pod6[2]}]:8080"
says web3 kubectl exec web1 -- wget -qO- "http://${pod4[3]}:8080/cgi-bin/who" || fail "kubectl exec does not reach web3"
ok "so says kubectl exec"

phase "A Service, by its cluster IP and by a port of each node"
service4=$(kubectl get service web -o 'jsonpath={.spec.clusterIPs[0]}')
service6=$(kubectl get service web -o 'jsonpath={.spec.clusterIPs[1]}')
all_answer() { # COMMAND..., one of the three web pods answers
  local seen='' i
  for i in {1..60}; do
    seen+=" $("$@" 2>/dev/null | cut -d' ' -f1)"
    [[ $seen == *web1* && $seen == *web2* && $seen == *web3* ]] && return
  done
  return 1
}
in_node_page() { in_ns "node$1" bash -c 'page "$1"' - "$2"; } # N HOST
for i in 1 2 3; do
  wait_for 60 "web$i reaches every pod behind $service4" all_answer in_pod_page "$i" "$service4"
  wait_for 60 "web$i reaches every pod behind $service6" all_answer in_pod_page "$i" "[$service6]"
  wait_for 60 "node$i reaches every pod behind $service4" all_answer in_node_page "$i" "$service4"
done
port=$(kubectl get service web -o 'jsonpath={.spec.ports[0].nodePort}')
in_net_page() { in_ns net bash -c 'page "$1"' - "$1"; } # HOST
for i in 1 2 3; do
  wait_for 60 "who is no node reaches every pod by port $port of node$i" all_answer in_net_page "10.124.0.$i:$port"
  wait_for 60 "and web$i alone by its own port 8088 there" says "web$i sees" in_net_page "10.124.0.$i:8088"
done

phase "Outside of the mesh, pods are seen under their node's address"
mkdir -p "$MESH/www/cgi-bin"
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"\necho "outside sees $REMOTE_ADDR"\n' >"$MESH/www/cgi-bin/who"
chmod +x "$MESH/www/cgi-bin/who"
ip -n wgc-net addr add 198.51.100.1/32 dev lo
ip -n wgc-net addr add 2001:db8:51::1/128 dev lo nodad
mesh_start outside net busybox httpd -f -p 8080 -h "$MESH/www"
for i in 1 2 3; do
  wait_for 60 "web$i is 10.124.0.$i there" says "outside sees .*10\.124\.0\.$i]" in_pod_page "$i" 198.51.100.1:8080
  wait_for 60 "web$i is fd00:124::$i there" says "outside sees .fd00:124::$i]" in_pod_page "$i" "[2001:db8:51::1]:8080"
done

phase "A laptop joins by kubectl apply"
mesh_namespace ext 10.124.0.100
(umask 077; wg genkey >"$MESH/laptop.key")
kubectl apply -f - <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: laptop}
spec:
  publicKey: $(wg pubkey <"$MESH/laptop.key")
  allowedIPs: [10.99.0.1/32]
Y
wait_for 60 "the status says that nodes have it" is True condition wgp laptop Programmed status
kubectl -n wgmesh get configmap wgmesh-ca -o 'jsonpath={.data.ca\.crt}' >"$MESH/ca.crt"
kubectl create serviceaccount reader >/dev/null
kubectl create clusterrolebinding reader --clusterrole=wgmesh-tool --serviceaccount=default:reader >/dev/null
kubectl create token reader --duration 4h --audience wgmesh >"$MESH/tool"
wgmesh() { # by an operator that runs
  local node; node=$(pods_on wgmesh-operator | sed -n 1p)
  in_ns net "$BIN/kubectl-wgmesh" "$@" --operator "https://$mesh_ipv4.${node#node}:7443" --ca "$MESH/ca.crt" --token-file "$MESH/tool"
}
mesh_start ext ext "$BIN/wgmesh-agent" device --foreground wg0
wait_for 60 "wgmesh-agent device wg0 is up" mesh_wg ext show wg0
wait_for 60 "it has the configuration that kubectl-wgmesh peer-config laptop prints" mesh_device_config ext laptop
ip -n wgc-ext addr add 10.99.0.1/32 dev wg0
ip -n wgc-ext link set wg0 up
ip -n wgc-ext route add 10.244.0.0/16 dev wg0
for i in 1 2 3; do wait_for 60 "laptop -> web$i" mesh_ping ext "${pod4[$i]}"; done
wait_for 60 "web2 -> laptop" reaches 2 10.99.0.1
wait_for 60 "WireGuardPeer laptop is Ready" ready laptop
shown in_ns ext ping -c 3 "${pod4[2]}"
shown kubectl get wgp
shown wgmesh status

phase "helm test"
chart test wgmesh 2>&1 | sed 's/^/   | /'

# traffic from web1 to web3, ten packets a second and one connection: traffic_starts, then traffic_ends
traffic_starts() {
  pod_start ping 1 web1 ping -n -q -i 0.1 "${pod4[3]}"
  pod_start stream 1 web1 curl -sSN -g "http://[${pod6[3]}]:8080/cgi-bin/count"
  wait_for 60 "a connection from web1 to web3" test -s "$MESH/log/stream.log"
}
# WHAT LIMIT: fails if more than LIMIT seconds of it were lost, or the connection. Before 1.22 an old agent ends before the new one comes, and
# kubelets of 1.20 let go of a pod at once or, at times, a minute later: the limits are for two of these.
traffic_ends() {
  local sent received before
  mesh_kill ping INT
  read -r sent received < <(sed -nE 's/^([0-9]+) packets transmitted, ([0-9]+) received.*/\1 \2/p' "$MESH/log/ping.log")
  before=$(wc -l <"$MESH/log/stream.log")
  grown() { (($(wc -l <"$MESH/log/stream.log") > before)); }
  wait_for 150 "the connection goes on" grown
  mesh_kill stream TERM
  awk '$1 != NR - 1 {exit 1}' "$MESH/log/stream.log" || fail "the connection lost data"
  ok "$1: $((sent - received)) of $sent pings were lost, $(((sent - received) / 10)) s"
  (((sent - received) / 10 <= $2)) || fail "that is more than $2 s"
}
rolled() { kubectl -n wgmesh rollout status daemonset/wgmesh-agent --timeout=300s >/dev/null && kubectl -n wgmesh rollout status deployment/wgmesh-operator --timeout=300s >/dev/null; }

phase "helm upgrade and rollback under traffic"
traffic_starts
chart upgrade wgmesh deploy/helm/wgmesh --reuse-values --set agent.peerSeries=100 >/dev/null
rolled
for i in 1 2 3; do says '--peer-series.?100' on_node "$i" bash -c "tr '\0' ' ' </proc/$(agent_process "$i")/cmdline" || fail "the agent on node$i runs without the new value"; done
wait_for 60 "web1 -> web3" reaches 1 "${pod4[3]}"
traffic_ends "upgrade" 150
traffic_starts
chart rollback wgmesh 1 >/dev/null
rolled
wait_for 60 "web1 -> web3" reaches 1 "${pod4[3]}"
traffic_ends "rollback" 150

phase "An agent is killed, another's pod is deleted"
traffic_starts
on_node 3 kill -KILL "$(agent_process 3)"
is wgmesh0 on_node 3 bash -c 'ip -o link show wgmesh0 | cut -d" " -f2 | tr -d :' || fail "the tunnel interface went with the agent: node3 is open"
wait_for 120 "web1 -> web3" reaches 1 "${pod4[3]}"
kubectl -n wgmesh delete "$(agent_pod 1)" >/dev/null
rolled
wait_for 120 "web1 -> web3" reaches 1 "${pod4[3]}"
traffic_ends "kill -9 and a deleted pod" 100
for i in 1 2 3; do wait_for 120 "WireGuardPeer node$i is Ready" ready "node$i"; done

# what a node's agent cannot do is in the condition of its peer and in an event on the Node
faulty() { says "$2" condition wgp "$1" Ready message; } # NODE PATTERN
told() { says "$2" kubectl get events --field-selector "involvedObject.kind=Node,involvedObject.name=$1" -o 'jsonpath={.items[*].message}'; } # NODE PATTERN

phase "A foreign network configuration comes before ours on node2, a CNI folder is read-only on node3"
echo '{"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "loopback"}]}' | on_node 2 tee /etc/cni/net.d/05-other.conflist >/dev/null
on_node 3 bash -c 'rm /etc/cni/net.d/10-wgmesh.conflist && mount -o remount,ro /etc/cni/net.d'
wait_for 120 "the status of node2 names the file" faulty node2 '05-other.conflist'
wait_for 60 "an event on node2, too" told node2 '05-other.conflist'
note "$(condition wgp node2 Ready message)"
wait_for 120 "the status of node3 says that its folder is read-only" faulty node3 'read-only'
wait_for 60 "an event on node3, too" told node3 'read-only'
note "$(condition wgp node3 Ready message)"
on_node 2 test -f /etc/cni/net.d/05-other.conflist || fail "somebody else's file was removed"
wait_for 120 "WireGuardPeer node1 is Ready" ready node1
wait_for 60 "pods on node2 are reached as before" reaches 1 "${pod4[2]}"
wait_for 60 "pods on node3 are reached as before" reaches 1 "${pod4[3]}"
on_node 2 rm /etc/cni/net.d/05-other.conflist
on_node 3 mount -o remount,rw /etc/cni/net.d
wait_for 60 "the network configuration of node3 is back" on_node 3 test -s /etc/cni/net.d/10-wgmesh.conflist
for i in 2 3; do wait_for 120 "WireGuardPeer node$i is Ready" ready "node$i"; done

phase "An image that cannot be pulled"
chart upgrade wgmesh deploy/helm/wgmesh --reuse-values --set image.tag=0.0.0 >/dev/null
pull_fails() { says 'ErrImagePull|ImagePullBackOff' kubectl -n wgmesh get pods; }
wait_for 120 "kubectl get pods says so" pull_fails
shown kubectl -n wgmesh get pods
operators_left() { kubectl -n wgmesh get deployment wgmesh-operator -o 'jsonpath={.status.availableReplicas}'; }
wait_for 60 "one operator of two goes on" is 1 operators_left
agents_left() { kubectl -n wgmesh get daemonset wgmesh-agent -o 'jsonpath={.status.numberReady}'; }
wait_for 60 "two agents of three go on" is 2 agents_left
chart rollback wgmesh >/dev/null

phase "The API server goes away during an upgrade"
chart upgrade wgmesh deploy/helm/wgmesh --reuse-values --set agent.peerSeries=50 >/dev/null
mesh_kill apiserver KILL
# the node whose agent was being replaced has to wait for the server
two_reach() { reaches 1 "${pod4[2]}" || reaches 2 "${pod4[3]}" || reaches 3 "${pod4[1]}"; }
wait_for 60 "pods on nodes that were not being updated reach each other" two_reach
api_start_server
wait_for 120 "kube-apiserver is back" api_ready
rolled
for i in 1 2 3; do
  says '--peer-series.?50' on_node "$i" bash -c "tr '\0' ' ' </proc/$(agent_process "$i")/cmdline" || fail "the agent on node$i runs without the new value"
  wait_for 120 "WireGuardPeer node$i is Ready" ready "node$i"
done

phase "The power of node3 fails: after that no pod is started before the host is closed"
kubectl apply -f - <<Y
apiVersion: v1
kind: Pod
metadata: {name: early}
spec:
  nodeSelector: {kubernetes.io/hostname: node3}
  terminationGracePeriodSeconds: 0
  # speaks from its first moment on
  containers: [{name: early, image: "localhost/tools:1", command: [ping, "${pod4[1]}"]}]
Y
kubectl wait pod/early --for=condition=Ready --timeout=120s >/dev/null
cluster_halt 3
# its agent cannot start: where its folder is to be is a file
kept=$MESH/node3/var/lib/wgmesh/agent
mv "$kept" "$kept.away"
touch "$kept"
cluster_boot 3
refused() { says 'open /run/wgmesh/data-path-is-up: no such file' kubectl get events --field-selector "involvedObject.name=$1" -o 'jsonpath={.items[*].message}'; } # POD
for pod in web3 early; do wait_for 120 "$pod is not connected while there is no agent" refused "$pod"; done
note "$(kubectl get events --field-selector involvedObject.name=early,reason=FailedCreatePodSandBox -o 'jsonpath={.items[-1:].message}')"
on_node 3 test -s /etc/cni/net.d/10-wgmesh.conflist || fail "the network configuration did not outlive the restart: it is not the gate that held the pods"
is 2 in_ns node3 bash -c 'ip -o link | wc -l' || fail "beside lo and eth0 there is: $(in_ns node3 ip -o link)"
rm "$kept"
mv "$kept.away" "$kept"
wait_for 150 "the agent is there: web3 -> web1" reaches 3 "${pod4[1]}"
on_node 3 test -e /run/wgmesh/data-path-is-up || fail "pods are connected without the gate"
readdressed() { addresses; reaches 1 "${pod4[3]}"; }
wait_for 60 "web1 -> web3" readdressed
wait_for 120 "the pod that speaks from its first moment on does" pod_net 3 early
kubectl delete pod early --force --grace-period=0 >/dev/null 2>&1

phase "A node is removed, and another of its name comes, which is given no pod CIDR at first"
before=$(field wgp node3 '{.metadata.uid} {.spec.publicKey}')
cluster_scrap 3
kubectl delete node node3 >/dev/null
forgotten() { ! kubectl get wgp node3 && ! in_ns node1 ip -o route show dev wgmesh0 | grep -qF "${pod4[3]%.*}."; }
wait_for 60 "its WireGuardPeer is gone, and node1 leads nothing to it" forgotten
wait_for 60 "web1 -> web2" reaches 1 "${pod4[2]}"
mesh_kill controllers TERM
cluster_controllers
cluster_node 3
cluster_boot 3
wait_for 180 "the status of node3 says what is missing" faulty node3 'has no pod CIDR.*--allocate-node-cidrs'
wait_for 60 "an event on node3, too" told node3 'has no pod CIDR.*--allocate-node-cidrs'
note "$(condition wgp node3 Ready message)"
is "" on_node 3 ls -A /etc/cni/net.d || fail "there is a network configuration: $(on_node 3 ls -A /etc/cni/net.d)"
node_ready 3 && fail "node3 is Ready without a pod CIDR"
for i in 1 2; do wait_for 120 "WireGuardPeer node$i is Ready" ready "node$i"; done
wait_for 60 "web1 -> web2" reaches 1 "${pod4[2]}"
mesh_kill controllers TERM
cluster_controllers "${cluster_node_cidrs[@]}"
wait_for 180 "node3 is Ready" node_ready 3
wait_for 120 "WireGuardPeer node3 is Ready" ready node3
after=$(field wgp node3 '{.metadata.uid} {.spec.publicKey}')
[[ ${before% *} != "${after% *}" && ${before#* } != "${after#* }" ]] || fail "it is the old object or has the old key"
kubectl delete pod web3 --force --grace-period=0 --ignore-not-found >/dev/null 2>&1
web_pod 3
kubectl wait pod/web3 --for=condition=Ready --timeout=120s >/dev/null
addresses
note "its pods have ${pod4[3]} and ${pod6[3]} now"
for i in 1 2; do
  wait_for 60 "web$i -> web3" reaches "$i" "${pod4[3]}"
  wait_for 60 "web3 -> web$i" reaches 3 "${pod6[$i]}"
done
# it is a node with another key, which a device learns by asking
wait_for 60 "laptop asks for its configuration" mesh_device_config ext laptop
for i in 1 2 3; do wait_for 60 "laptop -> web$i" mesh_ping ext "${pod4[$i]}"; done

phase "helm uninstall, with pods that go on speaking"
for i in 1 2 3; do pod_start "speaks$i" "$i" "web$i" ping -n -q -i 0.2 "${pod4[$((i % 3 + 1))]}"; done
chart uninstall wgmesh --wait --timeout 5m 2>&1 | sed 's/^/   | /'
# what the operators made stays for the next install, and what every namespace has; pods that have ended may take kubelet a minute
left() {
  kubectl -n wgmesh get deployments,daemonsets,jobs,services,configmaps,secrets,leases,serviceaccounts,roles,rolebindings -o name |
    grep -vxE '(configmap/wgmesh-(ca|addresses)|secret/wgmesh-operator-ca|lease.coordination.k8s.io/wgmesh-operator|configmap/kube-root-ca.crt|(serviceaccount/default|secret/default-token-.*))'
}
gone() { ! left; }
wait_for 120 "in its namespace is what the operators made, and nothing else" gone
agents_are_gone() { ! agent_process "$1"; }
for i in 1 2 3; do
  wait_for 60 "no agent runs on node$i" agents_are_gone "$i"
  left_on "$i" >"$MESH/after$i"
  diff "$MESH/before$i" "$MESH/after$i" >&2 || fail "node$i is not as it was before the install"
done
ok "every node's interfaces, addresses, routes, rules, nftables and CNI folders are as they were"
kubectl get crd wireguardpeers.wgmesh.io >/dev/null || fail "the definitions went, and all peers with them"
reaches 1 "${pod4[2]}" && fail "web1 reaches web2 without a mesh"
for i in 1 2 3; do mesh_kill "speaks$i" INT; done

phase "What crossed the underlay"
mesh_captured 500
note "took $SECONDS s in all"
printf '\n%sall of it holds%s\n' "$green" "$plain"
