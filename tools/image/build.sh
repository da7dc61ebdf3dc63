#!/usr/bin/env bash
# Builds the image by its Dockerfile without a registry and without a container engine's daemon:
#   tools/image/build.sh [NAME]     into buildah's own storage below the cache, tagged NAME (default holdfast:dev)
# `node:24-slim` is made here, once, from Debian packages and the pinned Node: the same name, the same kind of content.
# With an engine and a registry, `docker build .` does the same. Needs root, buildah and debootstrap.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
name=${1:-holdfast:dev}
cache=${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast}/image
base=docker.io/library/node:24-slim

say() { printf 'image: %s\n' "$1" >&2; }
for program in buildah debootstrap; do
  command -v "$program" >/dev/null || { say "$program is missing: apt-get install buildah debootstrap"; exit 1; }
done

mkdir -p "$cache"
build=(buildah --storage-driver vfs --root "$cache/storage" --runroot "$cache/run")

make_base() {
  local rootfs mirror node npm container
  rootfs=$(mktemp -d "$cache/base.XXXXXX")
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -1)
  say "making $base from $(. /etc/os-release && echo "$VERSION_CODENAME") packages"
  debootstrap --variant=minbase --include=ca-certificates "$(. /etc/os-release && echo "$VERSION_CODENAME")" \
    "$rootfs" "$mirror" >"$cache/debootstrap.log" 2>&1 || { tail -5 "$cache/debootstrap.log" >&2; exit 1; }
  # Whoever needs an authority of its own to reach the package registry needs it in the build too.
  cp /etc/ssl/certs/ca-certificates.crt "$rootfs/etc/ssl/certs/"
  node=$root/node_modules/node/bin/node
  npm=$(dirname "$(readlink -f "$(command -v npm)")")/..
  mkdir -p "$rootfs/usr/local/lib/node_modules"
  cp "$node" "$rootfs/usr/local/bin/node"
  cp -rL "$npm" "$rootfs/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$rootfs/usr/local/bin/npm"
  # Node links to libstdc++, which minbase has only by way of apt; keep it named.
  chroot "$rootfs" /usr/local/bin/node --version >&2
  container=$("${build[@]}" from scratch)
  "${build[@]}" copy --quiet "$container" "$rootfs" / >/dev/null
  "${build[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$container"
  "${build[@]}" commit --quiet --rm "$container" "$base" >/dev/null
  rm -rf "$rootfs"
}

"${build[@]}" inspect --type image "$base" >/dev/null 2>&1 || make_base
say "building $name"
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$root/package.json")
"${build[@]}" bud --quiet --isolation chroot --pull-never --layers=false --build-arg "VERSION=$version" \
  --build-arg "REVISION=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)" \
  -t "$name" -f "$root/Dockerfile" "$root" >&2
# What had the name before is 190 MB that nobody finds any more.
"${build[@]}" rmi --prune >/dev/null 2>&1 || say "an older image is in use by a container and stays"
"${build[@]}" inspect --type image --format '{{.FromImageID}}' "$name"
