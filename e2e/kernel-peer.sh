#!/usr/bin/env bash
# A Linux kernel with WireGuard in it, to test against where the machine's own kernel has none: Debian's cloud kernel and an
# initramfs for qemu (-accel tcg: no KVM needed), which boot in seconds. What runs in there is told over the first virtio
# serial port: a line is "ID BASE64-OF-A-SHELL-SCRIPT", and is answered when that has ended, in any order, with
# "ID EXIT-CODE BASE64-OF-ITS-OUTPUT". The first answer, "ready 0 ", comes by itself.
# usage: kernel-peer.sh      prints the folder with vmlinuz and initrd; packages: see test.sh
set -euo pipefail
# another version of this script or of the programs that travel along is another initramfs
version=$(cat "$0" "$(command -v wg)" "$(command -v ip)" "$(command -v ping)" "$(command -v busybox)" | sha256sum | cut -c1-12)
out=${XDG_CACHE_HOME:-$HOME/.cache}/wgmesh/kernel-peer-$version
if [[ ! -f $out/initrd ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work" # apt's unprivileged downloader has to get in
  root=$work/root
  newest() { apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends/ {print $2; exit}'; }
  package=$(newest) || true # unknown
  if [[ -z $package ]]; then
    apt-get update -q >"$work/log" 2>&1 || true # the lists are missing, as they are in images of containers
    package=$(newest) || true
  fi
  [[ -n $package ]] || { echo "apt does not know linux-image-cloud-amd64: is this no Debian for amd64?" >&2; exit 1; }
  (cd "$work" && apt-get download -q "$package" >log 2>&1 && dpkg -x "$package"_*.deb kernel) ||
    { tail -20 "$work/log" >&2; echo "$package cannot be fetched from Debian's archive" >&2; exit 1; }
  release=$(ls "$work/kernel/lib/modules")
  depmod -b "$work/kernel" "$release"

  mkdir -p "$root"/{bin,proc,sys,dev,run,tmp,etc,lib/modules}
  for program in wg ip ping busybox; do
    path=$(command -v "$program")
    install -D "$path" "$root/usr/bin/$program"
    # the loader and the libraries travel along; a static program has none
    for library in $(ldd "$path" 2>/dev/null | grep -o '/[^ )]*'); do install -D "$library" "$root$library"; done
  done
  mv "$root/usr/bin/busybox" "$root/bin/"
  for module in virtio_pci virtio_net virtio_console macvlan wireguard; do
    modprobe -d "$work/kernel" -S "$release" --show-depends "$module" 2>/dev/null | awk '/^insmod/ {print $2}'
  done | awk '!seen[$0]++' >"$work/modules" # in the order in which they have to be loaded
  while read -r module; do
    cp "$module" "$root/lib/modules/"
    basename "$module" >>"$root/etc/modules"
  done <"$work/modules"

  cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin
umask 077
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ln -s /proc/self/fd/0 /dev/stdin
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
while read -r module; do insmod "/lib/modules/$module"; done </etc/modules
until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done
ip link set lo up
ip link set eth0 up
until [ -e /dev/vport0p1 ]; do sleep 0.1; done
exec 3<>/dev/vport0p1
echo "ready 0 " >&3
while read -r id script <&3; do
  {
    echo "$script" | base64 -d | sh >"/tmp/$id" 2>&1 3>&-
    code=$?
    echo "$id $code $(base64 -w 0 "/tmp/$id")" >&3
    rm "/tmp/$id"
  } &
done
INIT
  chmod +x "$root/init"
  mkdir -p "$work/out"
  (cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$work/out/initrd"
  cp "$work"/kernel/boot/vmlinuz-* "$work/out/vmlinuz"
  mkdir -p "${out%/*}"
  find "${out%/*}" -maxdepth 1 -name 'kernel-peer-*' -mtime +0 -exec rm -rf {} + # a younger one may be another checkout's, in use
  mv -T "$work/out" "$out" # whole or not at all
fi
echo "$out"
