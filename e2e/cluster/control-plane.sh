# Sourced, after machine.sh and apiserver.sh: what makes an API a cluster: controllers, a scheduler, and rights for kubelets. Pods have
# addresses of both families, services too.

cluster_pods=10.244.0.0/16,fd00:244::/48 cluster_services=10.96.0.0/16,fd00:96::/112
api_options=(--authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true
  --service-cluster-ip-range="$cluster_services" --kubelet-preferred-address-types=InternalIP --kubelet-certificate-authority="$API/ca.crt"
  --kubelet-client-certificate="$API/admin.crt" --kubelet-client-key="$API/admin.key")

cluster_programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

helm() { api_at env HELM_CACHE_HOME="$API/helm" HELM_CONFIG_HOME="$API/helm" HELM_DATA_HOME="$API/helm" "${WGMESH_KUBECTL%/*}/helm" --kubeconfig "$API/admin.conf" "$@"; }

# a client with a certificate, and $API/NAME.conf for it: cluster_client NAME SUBJECT [EXTENSION...]
cluster_client() {
  local name=$1 subject=$2; shift 2
  (($#)) || set -- extendedKeyUsage=clientAuth
  api_certificate "$name" "$subject" "$@"
  api_kubeconfig "$name" "client-certificate: $API/$name.crt, client-key: $API/$name.key"
}

# nodes have no pod CIDRs unless it is given these: cluster_controllers "${cluster_node_cidrs[@]}"
cluster_node_cidrs=(--allocate-node-cidrs=true --cluster-cidr="$cluster_pods" --node-cidr-mask-size-ipv4=24 --node-cidr-mask-size-ipv6=64)
cluster_controllers() {
  # shellcheck disable=SC2046 # one word or none
  api_run controllers "$WGMESH_KUBERNETES/kube-controller-manager" --kubeconfig="$API/controllers.conf" --bind-address=127.0.0.1 --leader-elect=false \
    --service-account-private-key-file="$API/serviceaccount.key" --root-ca-file="$API/ca.crt" --use-service-account-credentials=true \
    --service-cluster-ip-range="$cluster_services" $(api_gates) "$@"
}

cluster_control_plane() {
  api_up
  cluster_client controllers /CN=system:kube-controller-manager
  cluster_client scheduler /CN=system:kube-scheduler
  cluster_client kube-proxy /CN=system:kube-proxy
  cluster_controllers "${cluster_node_cidrs[@]}"
  # shellcheck disable=SC2046 # one word or none
  api_run scheduler "$WGMESH_KUBERNETES/kube-scheduler" --kubeconfig="$API/scheduler.conf" --bind-address=127.0.0.1 --leader-elect=false
}
