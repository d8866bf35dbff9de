# Sourced, after control-plane.sh: nodes of the cluster. Each has a network of its own with an address on the underlay, a /etc, /opt, /run
# and /var of its own, and its own processes (node.sh is the first of them): containerd, kubelet and kube-proxy. It is ended, with every
# container on it, by ending that first process.
#   CLUSTER_IMAGES    folder of images (docker-archive) that its containerd is given

# what is on a node's disk: cluster_node N
cluster_node() {
  local name=node$1 address=$mesh_ipv4.$1 home=$MESH/node$1 newly=''
  mkdir -p "$home"/{opt/cni/bin,opt/images,opt/kubernetes,var/{cache,lib,log,tmp}}
  ln -s /run "$home/var/run"
  cp -a /etc "$home/etc"
  rm -rf "$home"/etc/cni "$home"/etc/containerd
  mkdir -p "$home"/etc/{cni/net.d,containerd,kubernetes}
  # nobody answers there, and kubelet would wait for that
  rm -f "$home/etc/resolv.conf"
  touch "$home/etc/resolv.conf"
  # a disk of its own, so that it can become read-only beneath containers that have it
  mount -t tmpfs -o mode=755 none "$home/etc/cni/net.d"
  cluster_client "$name" "/O=system:nodes/CN=system:node:$name" "subjectAltName=IP:$address" extendedKeyUsage=serverAuth,clientAuth
  cp "$API/$name.crt" "$home/etc/kubernetes/kubelet.crt"
  cp "$API/$name.key" "$home/etc/kubernetes/kubelet.key"
  "$WGMESH_KUBECTL" --kubeconfig "$API/$name.conf" config view --raw --flatten >"$home/etc/kubernetes/kubelet.conf"
  "$WGMESH_KUBECTL" --kubeconfig "$API/kube-proxy.conf" config view --raw --flatten >"$home/etc/kubernetes/kube-proxy.conf"
  cp "$API/ca.crt" "$home/etc/kubernetes/"
  [[ -n $(api_gates) ]] && newly='featureGates: {IPv6DualStack: true}'
  cat >"$home/etc/kubernetes/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: /etc/kubernetes/ca.crt}}
authorization: {mode: Webhook}
address: $address
tlsCertFile: /etc/kubernetes/kubelet.crt
tlsPrivateKeyFile: /etc/kubernetes/kubelet.key
# the machine's cgroups are nobody's to divide
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
oomScoreAdj: 0
evictionHard: {memory.available: 1Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
# there is no DNS in this cluster
resolvConf: ""
# as quick as can be: whoever waits here is a test
nodeStatusUpdateFrequency: 2s
$newly
Y
  # overlayfs where it can be: with native every layer and every container is a copy
  local snapshotter=native
  mkdir -p "$home/try"/{lower,upper,work,merged}
  if unshare -m mount -t overlay none -o "lowerdir=$home/try/lower,upperdir=$home/try/upper,workdir=$home/try/work" "$home/try/merged" 2>/dev/null; then
    snapshotter=overlayfs
  fi
  rm -rf "$home/try"
  cat >"$home/etc/containerd/config.toml" <<T
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  # a kubelet in a container may not give a process more than its own
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "$snapshotter"
T
  echo "$snapshotter" >"$home/etc/containerd/snapshotter"
}

# powers it on: cluster_boot N
cluster_boot() {
  local name=node$1 outer first='' gates
  mesh_namespace "$name" "$mesh_ipv4.$1"
  in_ns "$name" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  ip -n "$mesh_name-$name" route add unreachable 169.254.169.254 # a cloud's, which kubelet asks for credentials at its start
  gates=$(api_gates) # not in the line below: it would be the first child
  # nsenter rather than `ip netns exec`, which mounts another /sys, without the cgroups; slave: what is unmounted outside is not held in here
  nsenter --net="/run/netns/$mesh_name-$name" unshare -m -u -p --fork --mount-proc --kill-child --propagation slave \
    bash e2e/cluster/node.sh "$name" "$mesh_ipv4.$1" "$MESH/node$1" "$CLUSTER_IMAGES" "$WGMESH_KUBERNETES" "$cluster_pods" "$gates" \
    >>"$MESH/log/$name.log" 2>&1 </dev/null &
  outer=$!
  disown $outer
  until [[ -n $first ]]; do
    kill -0 "$outer" 2>/dev/null || fail "$name does not start: $(tail -3 "$MESH/log/$name.log")"
    read -r first _ <"/proc/$outer/task/$outer/children" || sleep 0.02
  done
  echo "$first" >"$MESH/pids/$name"
}

# cuts its power: nothing is left but its disk: cluster_halt N
cluster_halt() {
  mesh_kill "node$1" KILL
  ip -n "$mesh_name-net" link del "v-node$1"
  ip netns del "$mesh_name-node$1"
  cluster_cgroups_go || true
}

# and takes it away, with its disk: cluster_scrap N
cluster_scrap() {
  cluster_halt "$1"
  umount "$MESH/node$1/etc/cni/net.d"
  rm -rf "$MESH/node$1"
}

# a program on a node, in all of its namespaces: on_node N PROGRAM ARGS...
on_node() { local i=$1; shift; nsenter -t "$(<"$MESH/pids/node$i")" -m -u -n -p "$@"; }

# the node that a pod is on: node_of NAMESPACE POD
node_of() { local name; name=$(kubectl -n "$1" get pod "$2" -o 'jsonpath={.spec.nodeName}') && echo "${name#node}"; }

# the network namespace of a pod, found without the API server: pod_net N POD [NAMESPACE]
pod_net() {
  local id net
  for id in $(on_node "$1" ctr -n k8s.io containers ls -q \
    "labels.\"io.kubernetes.pod.namespace\"==${3:-default},labels.\"io.kubernetes.pod.name\"==$2,labels.\"io.cri-containerd.kind\"==sandbox"); do
    net=$(on_node "$1" ctr -n k8s.io containers info "$id" | grep -o 'netns/cni-[0-9a-f-]*' | sort -u)
    net=/proc/$(<"$MESH/pids/node$1")/root/run/$net
    [[ -f $net ]] && echo "$net" && return
  done
  return 1
}

# a program of this machine in it: in_pod N POD PROGRAM ARGS...
in_pod() { local net; net=$(pod_net "$1" "$2") && shift 2 && nsenter --net="$net" "$@"; }

# and in the background, as mesh_start does: pod_start NAME N POD PROGRAM ARGS...
pod_start() {
  local name=$1 net; net=$(pod_net "$2" "$3"); shift 3
  : >"$MESH/log/$name.log" # at once: whoever waits for its first line is not to see the last one's
  nsenter --net="$net" "$@" >"$MESH/log/$name.log" 2>&1 </dev/null &
  echo $! >"$MESH/pids/$name"
  disown $!
}

# what the kubelets change in the machine's kernel is put back
cluster_sysctls=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes)

cluster_claim() {
  mesh_claim cluster_down
  sysctl "${cluster_sysctls[@]}" >"$MESH/sysctls"
}

# of the containers that have ended: kubelet takes 1.5 s for each that it finds and does not know. Only what is empty goes.
cluster_cgroups_go() { find /sys/fs/cgroup -depth -type d -path '*/k8s.io*' -exec rmdir {} + 2>/dev/null; }

cluster_down() {
  local disk
  [[ -s $MESH/sysctls ]] && sysctl -qp "$MESH/sysctls"
  for disk in "$MESH"/node*/etc/cni/net.d; do umount --lazy "$disk" 2>/dev/null; done
  mesh_down
  # those that have ended just now take a moment
  for _ in {1..50}; do
    cluster_cgroups_go && break
    sleep 0.1
  done
}
