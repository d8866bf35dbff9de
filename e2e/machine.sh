# Sourced: what plays the machines and the network between them, on this one machine: network namespaces with an address each on an
# underlay (a bridge in a namespace of its own), programs in them with a log and a process id each, and a capture of all that crosses
# the underlay. Whoever sources it says:
#   MESH                    folder for state, logs and process ids; there is one at a time
#   mesh_name               what the namespaces' names begin with
#   mesh_ipv4, mesh_ipv6    networks of the underlay, /24 and /64, without what is after the prefix: 10.123.0, fd00:123
#   mesh_takes_down         the command that takes down one that was left running
# Everything is taken down by mesh_down.

export DOTNET_EnableDiagnostics=0 # a program that is killed would leave its debugging sockets behind

in_ns() { local ns=$1; shift; nsenter --net="/run/netns/$mesh_name-$ns" "$@"; }

# a namespace with a leg on the underlay: mesh_namespace NAME ADDRESS
mesh_namespace() {
  ip netns add "$mesh_name-$1"
  ip -n "$mesh_name-$1" link set lo up
  ip -n "$mesh_name-net" link add "v-$1" type veth peer name eth0 netns "$mesh_name-$1"
  ip -n "$mesh_name-net" link set "v-$1" master br0 up
  ip -n "$mesh_name-$1" addr add "$2/24" dev eth0
  ip -n "$mesh_name-$1" addr add "$mesh_ipv6::${2##*.}/64" dev eth0 nodad
  ip -n "$mesh_name-$1" link set eth0 up
  # a way for everything, so that a packet which the mesh does not take is seen on the underlay in plain
  ip -n "$mesh_name-$1" route add default via "$mesh_ipv4.254"
  ip -n "$mesh_name-$1" route add default via "$mesh_ipv6::fe"
}

# before anything is made, and before the traps that take it down: mesh_claim [FUNCTION], which takes it down; default mesh_down
mesh_claim() {
  [[ $(id -u) == 0 ]] || fail "network namespaces and TUNs take root: sudo $0"
  e2e/packages.sh wireguard-tools:wg iproute2:ip iputils-ping:ping tcpdump:tcpdump curl:curl util-linux:nsenter procps:sysctl
  local owner
  owner=$(cat "$MESH/owner" 2>/dev/null) || true
  # whoever made it was killed before it took it down; one that is to stay has no owner
  if [[ -n $owner && ! -d /proc/$owner ]]; then (set +e; "${1:-mesh_down}") || true; fi
  mkdir "$MESH" 2>/dev/null || fail "a mesh is up already, in $MESH: $mesh_takes_down takes it down"
  echo $$ >"$MESH/owner"
}

# takes down what was left running, and not what another script is still at work with: mesh_take_down [FUNCTION], as above
mesh_take_down() {
  [[ $(id -u) == 0 ]] || fail "it takes root"
  local owner
  owner=$(cat "$MESH/owner" 2>/dev/null) || true
  [[ -z $owner || ! -d /proc/$owner ]] || fail "process $owner is at work with the mesh in $MESH, and takes it down at its end"
  (set +e; "${1:-mesh_down}")
}

# the underlay, and the folders for what runs on it
mesh_bridge() {
  mkdir -p "$MESH"/{log,pids}
  chmod 700 "$MESH"
  ip netns add "$mesh_name-net"
  ip -n "$mesh_name-net" link set lo up
  ip -n "$mesh_name-net" link add br0 type bridge
  ip -n "$mesh_name-net" addr add "$mesh_ipv4.254/24" dev br0
  ip -n "$mesh_name-net" addr add "$mesh_ipv6::fe/64" dev br0 nodad
  ip -n "$mesh_name-net" link set br0 up
}

# in the background, with a log, and with a /run of its own as a machine would have: the sockets of `wg` are there
mesh_start() { # NAME NAMESPACE PROGRAM ARGS...
  local name=$1 ns=$2; shift 2
  nsenter --net="/run/netns/$mesh_name-$ns" unshare -m bash -c 'mkdir -p /run/wireguard && mount -t tmpfs none /run/wireguard && exec "$@"' - "$@" \
    >>"$MESH/log/$name.log" 2>&1 </dev/null &
  echo $! >"$MESH/pids/$name"
  disown $!
}

# wg beside a program that mesh_start started: mesh_wg NAME ARGS...
mesh_wg() { local name=$1; shift; nsenter -t "$(<"$MESH/pids/$name")" -n -m wg "$@"; }

# a device's WireGuard as the mesh says that it is to be configured, with the key in $MESH/PEER.key: mesh_device_config NAME PEER [LINE...], lines
# for its [Interface]. Whoever calls it has a function `wgmesh`, kubectl-wgmesh with what it needs to reach an operator.
mesh_device_config() {
  local name=$1 peer=$2 line lines; shift 2
  lines="PrivateKey = $(<"$MESH/$peer.key")"
  for line in "$@"; do lines+="\n$line"; done
  wgmesh peer-config "$peer" >"$MESH/$peer.conf" || return 1
  grep -q '^\[Peer\]' "$MESH/$peer.conf" || return 1
  grep -vE '^(Address|MTU|DNS|#)' "$MESH/$peer.conf" | sed "s|^\[Interface\]|&\n$lines|" >"$MESH/$peer.wg"
  mesh_wg "$name" syncconf wg0 "$MESH/$peer.wg"
}

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
  local tunnel in_plain filter="net 10.244.0.0/16 or net fd00:244::/32 or net 10.98.0.0/16 or net 10.99.0.0/16 or net 10.90.0.0/16 or net fd90:90::/64"
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
  for ns in $(ip netns list | awk -v name="^$mesh_name-" '$1 ~ name {print $1}'); do ip netns del "$ns"; done
  rm -rf "$MESH"
}
