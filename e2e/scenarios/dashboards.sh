#!/usr/bin/env bash
# Dashboards and alerts on a real Prometheus that scrapes a running mesh: three nodes, two operators on a Kubernetes API. Every query of every
# panel answers with numbers, every metric that an alert asks for is there, a link that is cut makes its alert fire, and what the runbook says
# (docs/operations.md) makes this and others resolve.
# usage: dashboards.sh [--keep]      --keep leaves it running; ./demo.sh --down takes that down
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:-}
source e2e/say.sh
export BIN=$PWD/artifacts/bin
source e2e/kubernetes-mesh.sh
mesh_claim
e2e/packages.sh prometheus:prometheus jq:jq nftables:nft
api_prepare

finish() {
  local status=$?
  mesh_finishing
  ((status)) && mesh_logs
  if [[ $mode == --keep ]]; then rm "$MESH/owner"; else mesh_down; fi
  exit "$status"
}
mesh_on_exit
e2e/publish.sh

dashboards=(deploy/helm/wgmesh/dashboards/*.json)
rules=deploy/helm/wgmesh/alerts/wgmesh.yaml

prometheus() { in_ns net curl -fsS -m 60 "http://127.0.0.1:9090/api/v1/$1" "${@:2}"; } # PATH CURL-ARGS...
holds() { prometheus query --data-urlencode "query=$1" | jq -e '.data.result | length > 0'; } # EXPRESSION
# alerts of that name that fire, as JSON, one in a line: firing NAME
firing() { prometheus alerts | jq -c --arg name "$1" '.data.alerts[] | select(.state == "firing" and .labels.alertname == $name)'; }
fires() { firing "$1" | jq -es 'length > 0'; }
fires_on() { firing "$1" | jq -es --arg instance "$2" 'any(.labels.instance == $instance)'; } # NAME INSTANCE
silent() { ! fires "$1"; }
# node1's agent has a pod network too, of plugins that nobody calls here
start_agents() {
  start_agent 1 --cni-conf-dir "$MESH/net.d" --cni-bin-dir "$MESH/cni-bin" --cni-store-dir "$MESH/cni-networks"
  start_agent 2
  start_agent 3
}
# a ping that goes on: traffic FROM TO ADDRESS
traffic() { mesh_start "ping-$1-$2" "$1" ping -n -q -i 0.2 "$3"; }

step "Two operators on a Kubernetes API, three agents"
mesh_underlay
for i in 1 2 3; do mesh_node "$i"; done
api_up
kubernetes_mesh_prepare
kubernetes_mesh_operators
for i in 1 2 3; do pod_token "$i"; done
# node1 makes its handshakes itself, since it hears no calls (messages of type 1)
in_ns node1 nft -f - <<<'table inet deaf { chain in { type filter hook input priority 0; udp dport 51820 @th,64,8 1 drop; }; }'
mkdir "$MESH/net.d" "$MESH/cni-bin"
for plugin in ptp host-local portmap loopback; do install -m 755 /bin/true "$MESH/cni-bin/$plugin"; done
start_agents
for i in 1 2 3; do wait_for 60 "node$i has its configuration" mesh_ready "$i"; done
for i in 1 2 3; do wait_for 60 "WireGuardPeer node$i is Ready" ready "node$i"; done

step "A Prometheus that scrapes all of them, with the rules as they are but for their patience"
sed 's/^    for: .*/    for: 2s/' "$rules" >"$MESH/rules.yaml"
cat >"$MESH/prometheus.yml" <<Y
global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
- job_name: wgmesh-operator
  static_configs:
  - {targets: ["127.0.0.1:${metrics[a]}"], labels: {instance: a}}
  - {targets: ["127.0.0.1:${metrics[b]}"], labels: {instance: b}}
- job_name: wgmesh-agent
  static_configs:
$(for i in 1 2 3; do echo "  - {targets: [\"10.123.0.$i:9586\"], labels: {instance: node$i}}"; done)
Y
mesh_start prometheus net prometheus --config.file="$MESH/prometheus.yml" --storage.tsdb.path="$MESH/prometheus" \
  --web.listen-address=127.0.0.1:9090 --log.level=warn
wait_for 60 "five targets are scraped" holds 'count(up == 1) == 5'

step "Something for every panel to show"
traffic pod1 pod2 10.244.2.10
traffic pod1 pod3 10.244.3.10
wait_for 60 "node1 has made a handshake" holds 'wgmesh_device_handshake_duration_seconds_count{instance="node1"} > 0'
traffic pod2 pod3 10.244.3.10
key=$(wg genkey | wg pubkey)
for name in away twin; do
  kubectl apply -f - <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: $name}
spec: {publicKey: "$key", allowedIPs: [10.99.0.1/32]}
Y
done
wait_for 60 "a conflict" holds 'wgmesh_operator_conflicts > 0'
traffic pod1 away 10.99.0.1
wait_for 60 "drops" holds 'wgmesh_peer_drops_total{instance="node1",peer="away"} > 0'
kubernetes_mesh_impostor
wait_for 60 "a stream is refused" holds 'wgmesh_operator_streams_refused_total > 0'
kubectl get clusterrole wgmesh-operator -o json | jq 'del(.metadata.resourceVersion)' >"$MESH/rights.json"
jq '.rules |= map(.resources |= map(select(. != "wireguardpeers/status")) | select(.resources | length > 0))' "$MESH/rights.json" | kubectl replace -f - >/dev/null
kubectl apply -f - <<Y
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardPeer
metadata: {name: late}
spec: {publicKey: "$(wg genkey | wg pubkey)", allowedIPs: [10.99.9.0/24]}
Y
wait_for 60 "without the right to it the leader does not get the status in order" holds 'wgmesh_operator_kubernetes_reconcile_failures_total > 0'
kubectl replace -f "$MESH/rights.json" >/dev/null
mesh_kill apiserver KILL
mesh_kill node3 KILL
wait_for 60 "WgMeshApiServerOutage fires" fires WgMeshApiServerOutage
wait_for 60 "WgMeshAgentMissing fires" fires WgMeshAgentMissing
api_start_server
wait_for 120 "kube-apiserver is back" api_ready
start_agent 3
wait_for 180 "node1 makes another handshake" holds 'increase(wgmesh_device_handshake_duration_seconds_count{instance="node1"}[5m]) > 0'
wait_for 60 "sessions take the place of earlier ones" holds 'wgmesh_device_rekeys_total{instance="node1"} > 0'
in_ns node1 nft delete table inet deaf
for alert in WgMeshApiServerOutage WgMeshAgentMissing WgMeshOperatorWithoutLeader WgMeshLinkDown; do
  wait_for 120 "$alert is over" silent "$alert"
done

step "The link between node1 and node2 is cut"
in_ns node1 nft -f - <<'N'
table inet cut {
  chain in { type filter hook input priority 0; ip saddr 10.123.0.2 udp sport 51820 drop; }
  chain out { type filter hook output priority 0; ip daddr 10.123.0.2 udp dport 51820 drop; }
}
N
for i in 1 2; do wait_for 120 "WgMeshLinkDown fires on node$i" fires_on WgMeshLinkDown "node$i"; done
fires_on WgMeshLinkDown node3 >/dev/null && fail "it fires on node3, too, whose links are up"
firing WgMeshLinkDown | jq -r '.annotations | "\(.summary): \(.description)"' | sed 's/^/   /'
# a scrape that comes too late takes an alert back for a moment
names_link() { firing WgMeshLinkDown | jq -r --arg i "node$1" 'select(.labels.instance == $i).annotations.description' | grep "node$((3 - $1))"; }
for i in 1 2; do wait_for 60 "it says which link of node$i" names_link "$i"; done

step "Every query of every panel answers"
# dashboard, panel, query, how it is asked, and the expression as Grafana would send it when node1 is picked, and else all
jq -r '.title as $board
  | (if .uid == "wgmesh-node" then "node1" else ".+" end) as $node
  | def filled: gsub("\\$__rate_interval"; "15m") | gsub("\\$node"; $node) | gsub("\\$(interface|peer|instance)"; ".+");
    (.panels[] | select(.targets) | .title as $panel | .targets[] | [$board, $panel, .refId, (if .instant then "query" else "query_range" end), (.expr | filled)]),
    (.templating.list[] | select(.type == "query") | [$board, "$" + .name, "-", "query",
      (.query.query | filled | capture("^label_values\\((?<metric>.*), (?<label>[a-z]+)\\)$") | "count by (\(.label)) (\(.metric))")])
  | @tsv' "${dashboards[@]}" >"$MESH/queries"
answers() { # HOW EXPRESSION: with a number at least
  local now
  now=$(date +%s)
  local time=(--data-urlencode "time=$now")
  [[ $1 == query_range ]] && time=(--data-urlencode "start=$((now - 120))" --data-urlencode "end=$now" --data-urlencode step=5)
  prometheus "$1" --data-urlencode "query=$2" "${time[@]}" |
    jq -e '[.data.result[] | (.values // [.value])[][1] | select(test("NaN|Inf") | not)] | length > 0' >/dev/null
}
asked=$(wc -l <"$MESH/queries")
all_answer() { # what answered is not asked again
  local board panel id how expression
  while IFS=$'\t' read -r board panel id how expression; do
    [[ $expression != *\$* ]] || fail "$board, $panel, $id: what is to stand for the variable in $expression?"
    answers "$how" "$expression" || printf '%s\t%s\t%s\t%s\t%s\n' "$board" "$panel" "$id" "$how" "$expression"
  done <"$MESH/queries" >"$MESH/unanswered"
  mv "$MESH/unanswered" "$MESH/queries"
  [[ ! -s $MESH/queries ]]
}
for _ in {1..12}; do all_answer && break; sleep 5; done
if [[ -s $MESH/queries ]]; then
  sed 's/^/   no answer: /' "$MESH/queries" >&2
  fail "$(wc -l <"$MESH/queries") of $asked queries have no answer"
fi
ok "$asked queries of ${#dashboards[@]} dashboards"

step "Every rule is evaluated, and what it asks for is there"
prometheus rules >"$MESH/rules.json"
jq -e '[.data.groups[].rules[]] | length > 0 and all(.health == "ok" and (.lastError // "") == "")' "$MESH/rules.json" >/dev/null ||
  fail "$(jq -c '.data.groups[].rules[] | select(.health != "ok") | [.name, .lastError]' "$MESH/rules.json")"
ok "$(jq '[.data.groups[].rules[]] | length' "$MESH/rules.json") rules, no error"
for metric in $(jq -r '.data.groups[].rules[].query' "$MESH/rules.json" | grep -oE '\bwgmesh_[a-z0-9_]+' | sort -u); do
  wait_for 60 "there is $metric" holds "$metric"
done

step "The link is whole again"
in_ns node1 nft delete table inet cut
wait_for 120 "WgMeshLinkDown resolves" silent WgMeshLinkDown

step "What the runbook says ends what else fires"
settings() { kubectl patch wgm default --type merge -p "{\"spec\":{$1}}" >/dev/null; } # FIELDS
settings '"failurePolicy":"Open"'
wait_for 60 "WgMeshPolicyOpen fires" fires WgMeshPolicyOpen
settings '"failurePolicy":"Closed"'
wait_for 60 "WgMeshPolicyOpen resolves" silent WgMeshPolicyOpen
echo '{"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "bridge"}]}' >"$MESH/net.d/05-other.conflist"
for alert in WgMeshNodeFaults WgMeshCniNotReady; do wait_for 120 "$alert fires on node1" fires_on "$alert" node1; done
note "$(condition wgp node1 Ready message)"
rm "$MESH/net.d/05-other.conflist"
for alert in WgMeshNodeFaults WgMeshCniNotReady; do wait_for 120 "$alert resolves" silent "$alert"; done
key=$(field wgp node3 '{.spec.publicKey}')
rm "$MESH/node3/private.key"
mesh_kill node3 TERM
start_agent 3
another_key() { [[ $(field wgp node3 '{.spec.publicKey}') != "$key" ]] && ready node3 && mesh_ping pod1 10.244.3.10; }
wait_for 120 "node3 has another key, and the others know it" another_key
settings '"released":true'
wait_for 60 "WgMeshReleased fires" fires WgMeshReleased
settings '"released":false'
for i in 1 2 3; do mesh_kill "node$i" TERM; done
start_agents
wait_for 60 "WgMeshReleased resolves" silent WgMeshReleased
for i in 2 3; do wait_for 60 "pod1 -> pod$i" mesh_ping pod1 "10.244.$i.10"; done
note "alerts that fired meanwhile: $(prometheus query --data-urlencode 'query=count by (alertname) (last_over_time(ALERTS{alertstate="firing"}[1h]))' | jq -r '[.data.result[].metric.alertname] | join(", ")')"
printf '\n%sall of it holds%s\n' "$green" "$plain"
