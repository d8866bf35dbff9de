# Sourced: the mesh of e2e/mesh.sh on a real Kubernetes API: etcd, kube-apiserver and two operators on the underlay, and agents that have the
# tokens of pods on their nodes.
source e2e/mesh.sh
API=$MESH/kubernetes api_address=10.123.0.254
api_run() { local name=$1; shift; mesh_start "$name" net "$@"; }
api_at() { in_ns net "$@"; }
source e2e/apiserver.sh

declare -A operator_address=([a]=10.123.0.251 [b]=10.123.0.252) metrics=([a]=9585 [b]=9587)
operator=a # the one that tools ask

# definitions, rights, settings and nodes, and tokens for operators and tools
kubernetes_mesh_prepare() {
  "$BIN/kubectl-wgmesh" crds --kubernetes-version 1.20 | kubectl apply -f -
  kubectl wait --for=condition=Established crd/wireguardpeers.wgmesh.io crd/wireguardmeshes.wgmesh.io --timeout=60s >/dev/null
  kubectl create namespace wgmesh >/dev/null
  "${WGMESH_KUBECTL%/*}/helm" template wgmesh deploy/helm/wgmesh --namespace wgmesh --show-only templates/rbac.yaml | kubectl apply -f - >/dev/null
  served() { kubectl get wgp,wgm; }
  wait_for 60 "the resources are served" served
  kubectl apply -f "$MESH/manifests" # WireGuardMesh and Nodes: the very files that the operator reads without Kubernetes
  local i
  for i in a b; do ip -n wgm-net addr add "${operator_address[$i]}/24" dev br0; done
  kubectl -n wgmesh create token wgmesh-operator --duration 24h >"$MESH/tokens/operator"
  kubectl -n wgmesh create token wgmesh-operator --duration 24h --audience wgmesh >"$MESH/tokens/replica"
  api_kubeconfig operator "tokenFile: $MESH/tokens/operator"
  kubectl -n wgmesh create serviceaccount reader >/dev/null
  kubectl create clusterrolebinding reader --clusterrole=wgmesh-tool --serviceaccount=wgmesh:reader >/dev/null
  kubectl -n wgmesh create token reader --duration 24h --audience wgmesh >"$MESH/tokens/tool"
}

start_operator() { # a or b
  mesh_start "operator-$1" net "$BIN/wgmesh-operator" --kubernetes --kubeconfig "$API/operator.conf" --namespace wgmesh --identity "$1" \
    --listen "${operator_address[$1]}:7443" --advertise-address "${operator_address[$1]}" --replica-token-file "$MESH/tokens/replica" \
    --metrics-listen "127.0.0.1:${metrics[$1]}"
}

operator_ready() { in_ns net curl -fsS -m 30 "http://127.0.0.1:${metrics[$1]}/readyz"; } # a or b

# both, until one leads and agents can know them
kubernetes_mesh_operators() {
  local i
  for i in a b; do start_operator "$i"; done
  for i in a b; do wait_for 60 "operator $i is ready" operator_ready "$i"; done
  someone_leads() { [[ -n $(leader) ]]; }
  wait_for 60 "one leads" someone_leads
  note "the Lease is held by $(kubectl -n wgmesh get lease wgmesh-operator -o 'jsonpath={.spec.holderIdentity}')"
  authority() { kubectl -n wgmesh get configmap wgmesh-ca -o 'jsonpath={.data.ca\.crt}' >"$MESH/ca.crt" && [[ -s $MESH/ca.crt ]]; }
  wait_for 60 "agents find the operators' authority in a ConfigMap" authority
}

# a token that is bound to a pod, as a kubelet projects it into one: pod_token N
pod_token() {
  kubectl apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: wgmesh-agent-node$1, namespace: wgmesh}
spec:
  nodeName: node$1
  serviceAccountName: wgmesh-agent
  containers: [{name: agent, image: wgmesh-agent}]
Y
  kubectl -n wgmesh create token wgmesh-agent --audience wgmesh --duration 2h --bound-object-kind Pod --bound-object-name "wgmesh-agent-node$1" \
    --bound-object-uid "$(kubectl -n wgmesh get pod "wgmesh-agent-node$1" -o 'jsonpath={.metadata.uid}')" >"$MESH/tokens/node$1"
}

start_agent() { # N ARGS...
  local i=$1; shift
  mesh_start "node$i" "node$i" "$BIN/wgmesh-agent" run --node "node$i" --operator "https://${operator_address[a]}:7443" \
    --operator "https://${operator_address[b]}:7443" --ca "$MESH/ca.crt" --token-file "$MESH/tokens/node$i" --state-dir "$MESH/node$i" \
    --run-dir "$MESH/run/node$i" --interface wgmesh0 --metrics-listen 0.0.0.0:9586 "$@"
}

# an agent that says it is another node than its pod's, until the operator has told it so
kubernetes_mesh_impostor() {
  mesh_start impostor node3 "$BIN/wgmesh-agent" run --node node1 --operator "https://${operator_address[a]}:7443" --ca "$MESH/ca.crt" \
    --token-file "$MESH/tokens/node3" --state-dir "$MESH/impostor" --run-dir "$MESH/run/impostor" --interface wgmesh1 --metrics-listen 127.0.0.1:9590
  refused() { in_ns node3 curl -s -m 30 http://127.0.0.1:9590/readyz | grep -iE 'permissiondenied|permission_denied|token is for'; }
  wait_for 60 "with the token of node3 nobody is node1" refused
  mesh_kill impostor KILL
  in_ns node3 "$BIN/wgmesh-agent" cleanup --interface wgmesh1 --state-dir "$MESH/impostor" --run-dir "$MESH/run/impostor" \
    --cni-conf-dir "$MESH/net.d" --cni-bin-dir "$MESH/cni-bin" --cni-store-dir "$MESH/cni-networks"
}

leader() { local holder; holder=$(kubectl -n wgmesh get lease wgmesh-operator -o 'jsonpath={.spec.holderIdentity}'); echo "${holder%%_*}"; }
leads() { [[ $(leader) == "$1" ]]; }
programmed() { is True condition wgp "$1" Programmed status; } # PEER
wgmesh() { in_ns net "$BIN/kubectl-wgmesh" "$@" --operator "https://${operator_address[$operator]}:7443" --ca "$MESH/ca.crt" --token-file "$MESH/tokens/tool"; }
