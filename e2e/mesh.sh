# Sourced: a mesh on one machine. Every node is a network namespace with an address on an underlay (a bridge in a
# namespace of its own, where the operator runs too), a pod CIDR, and a pod: one more namespace, joined to its node by
# a veth pair as a CNI plugin would. Everything is taken down by mesh_down.
#
#   wgm-net   10.123.0.254, fd00:123::fe   bridge, operator; the default route of all
#   wgm-nodeN 10.123.0.N, fd00:123::N      agent; pod CIDRs 10.244.N.0/24 and fd00:244:N::/64
#   wgm-podN  10.244.N.10, fd00:244:N::10
#   wgm-ext   10.123.0.100       a device outside the mesh (wgm-site, 10.123.0.110: a second one, with the net 10.98.0.0/24 behind it)

MESH=/run/wgmesh-on-one-machine mesh_name=wgm mesh_ipv4=10.123.0 mesh_ipv6=fd00:123 mesh_takes_down='./demo.sh --down'
source e2e/machine.sh
BIN=${BIN:?where the programs are}
mesh_operator=10.123.0.254:7443

# the network, and the mesh's settings
mesh_underlay() {
  mesh_bridge
  mkdir -p "$MESH"/{manifests,operator,tokens,run}
  chmod 700 "$MESH/tokens"
  cat >"$MESH/manifests/mesh.yaml" <<'Y'
apiVersion: wgmesh.io/v1alpha1
kind: WireGuardMesh
metadata:
  name: default
spec:
  podCIDRs: [10.244.0.0/16, "fd00:244::/32"]
  serviceCIDRs: [10.96.0.0/16]
Y
}

# the node's network and pod, its manifest, and its token; not yet its agent: mesh_node N
mesh_node() {
  local i=$1
  mesh_namespace "node$i" "10.123.0.$i"
  nsenter --net="/run/netns/wgm-node$i" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  ip netns add "wgm-pod$i"
  ip -n "wgm-pod$i" link set lo up
  ip -n "wgm-node$i" link add pod0 type veth peer name eth0 netns "wgm-pod$i"
  ip -n "wgm-node$i" addr add "10.244.$i.1/24" dev pod0
  ip -n "wgm-node$i" addr add "fd00:244:$i::1/64" dev pod0 nodad
  ip -n "wgm-node$i" link set pod0 up
  ip -n "wgm-pod$i" addr add "10.244.$i.10/24" dev eth0
  ip -n "wgm-pod$i" addr add "fd00:244:$i::10/64" dev eth0 nodad
  ip -n "wgm-pod$i" link set eth0 up
  ip -n "wgm-pod$i" route add default via "10.244.$i.1"
  ip -n "wgm-pod$i" route add default via "fd00:244:$i::1"
  head -c 24 /dev/urandom | base64 >"$MESH/tokens/node$i"
  printf '%s node%s\n' "$(<"$MESH/tokens/node$i")" "$i" >>"$MESH/tokens/all"
  chmod 600 "$MESH"/tokens/*
  cat >"$MESH/manifests/node$i.yaml" <<Y
apiVersion: v1
kind: Node
metadata:
  name: node$i
spec:
  podCIDRs: [10.244.$i.0/24, "fd00:244:$i::/64"]
status:
  addresses:
  - {type: InternalIP, address: 10.123.0.$i}
Y
}

mesh_start_operator() {
  if [[ ! -f $MESH/tokens/tools ]]; then
    head -c 24 /dev/urandom | base64 >"$MESH/tokens/tools"
    printf '%s *\n' "$(<"$MESH/tokens/tools")" >>"$MESH/tokens/all"
    chmod 600 "$MESH"/tokens/*
  fi
  mesh_start operator net "$BIN/wgmesh-operator" --manifests "$MESH/manifests" --state "$MESH/operator" \
    --listen "$mesh_operator" --token-file "$MESH/tokens/all" --metrics-listen 127.0.0.1:9585
}

mesh_start_agent() { # N [NAME OPTIONS...]: with a name of its own beside the one that is there, which it asks for the data plane
  local i=$1 name=${2:-node$1}; shift; shift || true
  mesh_start "$name" "node$i" "$BIN/wgmesh-agent" run --node "node$i" --operator "https://$mesh_operator" --ca "$MESH/operator/ca.crt" \
    --token-file "$MESH/tokens/node$i" --state-dir "$MESH/node$i" --run-dir "$MESH/run/node$i" --interface wgmesh0 --metrics-listen 127.0.0.1:9586 "$@"
}

mesh_cleanup() { # N
  in_ns "node$1" "$BIN/wgmesh-agent" cleanup --interface wgmesh0 --state-dir "$MESH/node$1" --run-dir "$MESH/run/node$1" \
    --cni-conf-dir "$MESH/net.d" --cni-bin-dir "$MESH/cni-bin" --cni-store-dir "$MESH/cni-networks"
}

mesh_cli() { in_ns net "$BIN/kubectl-wgmesh" "$@" --operator "https://$mesh_operator" --ca "$MESH/operator/ca.crt" --token-file "$MESH/tokens/tools"; }

mesh_metrics() { in_ns "node$1" curl -fsS -m 30 http://127.0.0.1:9586/metrics; } # N

mesh_ready() { in_ns "node$1" curl -fsS -m 30 http://127.0.0.1:9586/readyz; } # N
