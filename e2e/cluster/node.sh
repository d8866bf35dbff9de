#!/usr/bin/env bash
# The first process of a node, started by cluster_boot (nodes.sh) in namespaces that are the node's: gives it folders of its own and starts
# what a node runs. What it prints is the kubelet's log.
# usage: node.sh NAME ADDRESS HOME IMAGES PROGRAMS POD-CIDRS GATES
set -euo pipefail
name=$1 address=$2 home=$3 images=$4 programs=$5 pods=$6 gates=$7
trap 'exit 0' TERM

hostname "$name"
mount --bind "$images" "$home/opt/images"
mount --bind "$programs" "$home/opt/kubernetes"
umount --lazy --recursive /run/netns 2>/dev/null || true # the machine's
for folder in etc opt var; do mount --rbind "$home/$folder" "/$folder"; done
mount --make-shared /var # volumes that are mounted for a container are seen in others
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/lock /run/netns

containerd --config /etc/containerd/config.toml >/var/log/containerd.log 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.1; done
# onto a new disk
if [[ ! -e /var/lib/images-are-here ]]; then
  for image in /opt/images/*.tar; do
    ctr -n k8s.io images import --snapshotter "$(</etc/containerd/snapshotter)" "$image" >>/var/log/import.log 2>&1
  done
  touch /var/lib/images-are-here
fi

# sysctls of connection tracking are the machine's
/opt/kubernetes/kube-proxy --kubeconfig=/etc/kubernetes/kube-proxy.conf --hostname-override="$name" --cluster-cidr="$pods" --proxy-mode=iptables \
  --healthz-bind-address=127.0.0.1:10256 --metrics-bind-address=127.0.0.1:10249 --oom-score-adj=0 --conntrack-max-per-core=0 \
  --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0 $gates >/var/log/kube-proxy.log 2>&1 &
/opt/kubernetes/kubelet --kubeconfig=/etc/kubernetes/kubelet.conf --config=/etc/kubernetes/kubelet.yaml --hostname-override="$name" --node-ip="$address" \
  --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock &
wait
