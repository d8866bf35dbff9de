# Sourced: a Kubernetes API on one machine: etcd, kube-apiserver and a kubectl that talks to it. Nothing else of a cluster, unless
# cluster/control-plane.sh adds it: no controllers, so nobody collects garbage; no kubelets, so pods stay as they were made. Whoever
# sources it says where:
#   API                              folder for data, certificates and kubeconfigs
#   api_address                      the address that the API server is reached at
#   api_run NAME PROGRAM ARGS...     starts a program in the background, beside that address
#   api_at PROGRAM ARGS...           runs one there
# and ends what api_run started.

api_url=https://$api_address:6443
# how the API server is when it is alone. The admission that is left out waits for the secrets of a controller that is not here.
api_options=(--endpoint-reconciler-type=none --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount --service-cluster-ip-range=10.96.0.0/16)

# what it needs: WGMESH_KUBERNETES and WGMESH_KUBECTL where they are set, else built and fetched: api_prepare [PROGRAM...]
api_prepare() {
  e2e/packages.sh etcd-server:etcd openssl:openssl curl:curl
  WGMESH_KUBERNETES=${WGMESH_KUBERNETES:-$(e2e/kubernetes.sh "$@")}
  WGMESH_KUBECTL=${WGMESH_KUBECTL:-$(e2e/kubectl.sh)}
}

api_certificate() { # NAME SUBJECT EXTENSIONS...
  local name=$API/$1 subject=$2; shift 2
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$name.key" -out "$name.csr" -subj "$subject" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA "$API/ca.crt" -CAkey "$API/ca.key" -CAcreateserial -days 2 -out "$name.crt" \
    -extfile <(printf '%s\n' "$@") 2>/dev/null
}

api_certificates() {
  mkdir -p "$API"
  chmod 700 "$API"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "$API/ca.key" -out "$API/ca.crt" -subj /CN=kubernetes 2>/dev/null
  api_certificate apiserver /CN=kube-apiserver "subjectAltName=IP:$api_address,IP:10.96.0.1" extendedKeyUsage=serverAuth
  api_certificate admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$API/serviceaccount.key" 2>/dev/null
  openssl pkey -in "$API/serviceaccount.key" -pubout -out "$API/serviceaccount.pub"
  api_kubeconfig admin "client-certificate: $API/admin.crt, client-key: $API/admin.key"
}

# writes $API/NAME.conf: api_kubeconfig NAME USER, which is YAML such as "tokenFile: /some/file"
api_kubeconfig() {
  cat >"$API/$1.conf" <<Y
apiVersion: v1
kind: Config
clusters:
- {name: here, cluster: {server: "$api_url", certificate-authority: $API/ca.crt}}
users:
- {name: $1, user: {$2}}
contexts:
- {name: here, context: {cluster: here, user: $1}}
current-context: here
Y
}

api_start_etcd() {
  api_run etcd etcd --data-dir "$API/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380
}

# two families of pod CIDRs and of services were behind a gate then
api_gates() {
  if [[ $("$WGMESH_KUBERNETES/kube-apiserver" --version) == *v1.20.* ]]; then echo --feature-gates=IPv6DualStack=true; fi
}

api_start_server() {
  # shellcheck disable=SC2046 # one word or none
  api_run apiserver "$WGMESH_KUBERNETES/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address="$api_address" --secure-port=6443 \
    --advertise-address="$api_address" \
    --tls-cert-file="$API/apiserver.crt" --tls-private-key-file="$API/apiserver.key" --client-ca-file="$API/ca.crt" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file="$API/serviceaccount.key" \
    --service-account-key-file="$API/serviceaccount.pub" "${api_options[@]}" $(api_gates)
}

api_ready() { api_at curl -fsS -m 10 --cacert "$API/ca.crt" --cert "$API/admin.crt" --key "$API/admin.key" "$api_url/readyz"; }

kubectl() { api_at "$WGMESH_KUBECTL" --kubeconfig "$API/admin.conf" --cache-dir "$API/cache" --request-timeout 60s "$@"; }

# from nothing to an API that answers
api_up() {
  api_certificates
  api_start_etcd
  wait_for 60 "etcd is healthy" api_at curl -fsS -m 10 http://127.0.0.1:2379/health
  api_start_server
  wait_for 120 "kube-apiserver is ready" api_ready
}

# what objects say
field() { kubectl get "$1" "$2" -o "jsonpath=$3"; } # KIND NAME JSONPATH
condition() { field "$1" "$2" "{.status.conditions[?(@.type==\"$3\")].$4}"; } # KIND NAME TYPE status|reason|message
is() { [[ $("${@:2}") == "$1" ]]; } # VALUE COMMAND...
says() { [[ $("${@:2}") =~ $1 ]]; } # PATTERN COMMAND...
ready() { is True condition wgp "$1" Ready status; } # PEER

# what the status of every peer and of the mesh says, a condition in a line
api_conditions() {
  kubectl get wgp,wgm -o 'go-template={{range .items}}{{$name := .metadata.name}}{{range .status.conditions}}{{printf "%s %s=%s %s: %s\n" $name .type .status .reason .message}}{{end}}{{end}}'
}
