# Sourced: a mesh on one machine. Every node is a network namespace with an address on an underlay (a bridge in a
# namespace of its own, where the operator runs too), a pod CIDR, and a pod: one more namespace, joined to its node by
# a veth pair as a CNI plugin would. Everything is taken down by mesh_down.
#
#   wgm-net   10.123.0.254, fd00:123::fe   bridge, operator; the default route of all
#   wgm-nodeN 10.123.0.N, fd00:123::N      agent; pod CIDRs 10.244.N.0/24 and fd00:244:N::/64
#   wgm-podN  10.244.N.10, fd00:244:N::10
#   wgm-ext   10.123.0.100       a device outside the mesh (wgm-site, 10.123.0.110: a second one, with the net 10.98.0.0/24 behind it)

MESH=/run/wgmesh-on-one-machine # state, logs, manifests, process ids; one mesh at a time
export DOTNET_EnableDiagnostics=0 # a program that is killed would leave its debugging sockets behind
BIN=${BIN:?where the programs are}
mesh_operator=10.123.0.254:7443

in_ns() { local ns=$1; shift; nsenter --net="/run/netns/wgm-$ns" "$@"; }

# a namespace with a leg on the underlay: mesh_namespace NAME ADDRESS
mesh_namespace() {
  ip netns add "wgm-$1"
  ip -n "wgm-$1" link set lo up
  ip -n wgm-net link add "v-$1" type veth peer name eth0 netns "wgm-$1"
  ip -n wgm-net link set "v-$1" master br0 up
  ip -n "wgm-$1" addr add "$2/24" dev eth0
  ip -n "wgm-$1" addr add "fd00:123::${2##*.}/64" dev eth0 nodad
  ip -n "wgm-$1" link set eth0 up
  # a way for everything, so that a packet which the mesh does not take is seen on the underlay in plain
  ip -n "wgm-$1" route add default via 10.123.0.254
  ip -n "wgm-$1" route add default via fd00:123::fe
}

# before anything is made, and before the traps that take it down
mesh_claim() {
  [[ $(id -u) == 0 ]] || fail "network namespaces and TUNs take root: sudo $0"
  e2e/packages.sh wireguard-tools:wg iproute2:ip iputils-ping:ping tcpdump:tcpdump curl:curl util-linux:nsenter procps:sysctl
  local owner
  owner=$(cat "$MESH/owner" 2>/dev/null) || true
  # whoever made it was killed before it took it down; one that is to stay has no owner
  if [[ -n $owner && ! -d /proc/$owner ]]; then (set +e; mesh_down) || true; fi
  mkdir "$MESH" 2>/dev/null || fail "a mesh is up already, in $MESH: ./demo.sh --down takes it down"
  echo $$ >"$MESH/owner"
}

mesh_underlay() {
  mkdir -p "$MESH"/{manifests,operator,log,tokens,pids,run}
  chmod 700 "$MESH" "$MESH/tokens"
  ip netns add wgm-net
  ip -n wgm-net link set lo up
  ip -n wgm-net link add br0 type bridge
  ip -n wgm-net addr add 10.123.0.254/24 dev br0
  ip -n wgm-net addr add fd00:123::fe/64 dev br0 nodad
  ip -n wgm-net link set br0 up
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

# in the background, with a log, and with a /run of its own as a machine would have: the sockets of `wg` are there
mesh_start() { # NAME NAMESPACE PROGRAM ARGS...
  local name=$1 ns=$2; shift 2
  nsenter --net="/run/netns/wgm-$ns" unshare -m bash -c 'mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard && exec "$@"' - "$@" \
    >>"$MESH/log/$name.log" 2>&1 </dev/null &
  echo $! >"$MESH/pids/$name"
  disown $!
}

# wg beside a program that mesh_start started: mesh_wg NAME ARGS...
mesh_wg() { local name=$1; shift; nsenter -t "$(<"$MESH/pids/$name")" -n -m wg "$@"; }

mesh_running() { kill -0 "$(<"$MESH/pids/$1")" 2>/dev/null; } # NAME

mesh_kill() { # NAME SIGNAL
  local pid
  pid=$(<"$MESH/pids/$1")
  kill "-$2" "$pid" 2>/dev/null || true
  for _ in {1..3000}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.02; done
  if kill -0 "$pid" 2>/dev/null; then
    kill -KILL "$pid" || true
    fail "$1 did not end within 60 s of SIG$2"
  fi
  rm "$MESH/pids/$1"
}

# everything that crosses the underlay, until mesh_captured reads it
mesh_capture() {
  mesh_start capture net tcpdump -i br0 -U -w "$MESH/underlay.pcap"
  wait_for 60 "capturing the underlay" test -s "$MESH/underlay.pcap"
}

# ends the capture and says what is in it; fails if packets of pods crossed in plain: mesh_captured LEAST-TUNNEL-DATAGRAMS
mesh_captured() {
  local tunnel in_plain filter="net 10.244.0.0/16 or net fd00:244::/32 or net 10.98.0.0/16 or net 10.99.0.0/16"
  mesh_kill capture INT
  tunnel=$(tcpdump -n -r "$MESH/underlay.pcap" "udp port 51820" 2>/dev/null | wc -l)
  in_plain=$(tcpdump -n -r "$MESH/underlay.pcap" "$filter" 2>/dev/null | wc -l)
  ((tunnel >= $1)) || fail "the capture holds only $tunnel WireGuard datagrams: it did not see the traffic"
  if ((in_plain)); then
    tcpdump -n -r "$MESH/underlay.pcap" "$filter" 2>/dev/null | head -5 >&2
    fail "$in_plain packets of pods in plain"
  fi
  ok "$tunnel WireGuard datagrams, 0 packets of pods in plain"
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
    --cni-conf-dir "$MESH/net.d" --cni-bin-dir "$MESH/cni-bin"
}

mesh_cli() { in_ns net "$BIN/kubectl-wgmesh" "$@" --operator "https://$mesh_operator" --ca "$MESH/operator/ca.crt" --token-file "$MESH/tokens/tools"; }

mesh_metrics() { in_ns "node$1" curl -fsS -m 30 http://127.0.0.1:9586/metrics; } # N

mesh_ready() { in_ns "node$1" curl -fsS -m 30 http://127.0.0.1:9586/readyz; } # N

mesh_ping() { in_ns "$1" ping -n -q -c 1 -W 2 "$2"; } # NAMESPACE ADDRESS

# the traps of a script that owns a mesh; it has `finish` called at its end, however that comes
mesh_on_exit() { trap finish EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; }

# first line of `finish`: from here on nothing interrupts and nothing ends the cleaning up
mesh_finishing() { set +e; trap '' INT TERM; trap - EXIT; }

mesh_logs() { printf '\n%slast lines of the logs:%s\n' "$bold" "$plain" >&2; tail -n 15 "$MESH"/log/*.log >&2; }

mesh_down() {
  local file name ns
  for file in "$MESH"/pids/*; do [[ -f $file ]] && kill -TERM "$(<"$file")" 2>/dev/null; done
  for file in "$MESH"/pids/*; do
    [[ -f $file ]] || continue
    name=${file##*/}
    for _ in {1..300}; do mesh_running "$name" || break; sleep 0.1; done
    kill -KILL "$(<"$file")" 2>/dev/null || true
  done
  for ns in $(ip netns list | awk '$1 ~ /^wgm-/ {print $1}'); do ip netns del "$ns"; done
  rm -rf "$MESH"
}
