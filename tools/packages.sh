#!/usr/bin/env bash
# Installs the Debian packages that the tiers need and this machine lacks; where it cannot, it names them and fails.
set -euo pipefail

packages=()
command -v strace >/dev/null || packages+=(strace)
command -v gcc >/dev/null || packages+=(gcc libc6-dev)
command -v mkfs.xfs >/dev/null || packages+=(xfsprogs)
command -v mkfs.ext4 >/dev/null || packages+=(e2fsprogs)
[ -x /usr/bin/aws ] || packages+=(awscli)
command -v etcd >/dev/null || packages+=(etcd-server)
command -v kubectl >/dev/null || packages+=(kubernetes-client)
command -v lua5.4 >/dev/null || packages+=(lua5.4)
command -v openssl >/dev/null || packages+=(openssl)
command -v buildah >/dev/null || packages+=(buildah)
command -v promtool >/dev/null || packages+=(prometheus)
command -v debootstrap >/dev/null || packages+=(debootstrap)
command -v curl >/dev/null || packages+=(curl)
command -v containerd >/dev/null || packages+=(containerd runc)
command -v iptables >/dev/null || packages+=(iptables)
command -v conntrack >/dev/null || packages+=(conntrack socat ethtool)
command -v faketime >/dev/null || packages+=(faketime)
[ -x /usr/lib/cni/bridge ] || packages+=(containernetworking-plugins)
command -v restic >/dev/null || packages+=(restic)
command -v barman-cloud-wal-archive >/dev/null || packages+=(barman-cli-cloud)
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3 python3-venv)
[ "${#packages[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing on this machine, to be installed as root: ${packages[*]} (names of Debian packages)" >&2
  exit 1
fi
echo "installing ${packages[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null
