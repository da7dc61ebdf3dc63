#!/usr/bin/env bash
# Builds what the cluster tier needs and npm cannot install, and prints the path of the binary:
#   tools/build.sh                 the control plane: kube-apiserver and the other processes in one binary
#   tools/build.sh helm            Helm
#   tools/build.sh chart-tools     what judges the chart: kubeconform, kube-score, helm-unittest, and others' CRDs
#   tools/build.sh kopia           kopia, whose example the clients tier tries
#   tools/build.sh dns             CoreDNS with the plugins that a cluster's names need
#   tools/build.sh minio|versitygw|s3rver a server that the benchmark compares with
#   tools/build.sh bench-client    the benchmark's load client
#   tools/build.sh --print [NAME]  tools/paths.sh: prints paths, builds nothing, exit 1 if something is missing
# A second call finds the binary and ends at once; of two calls at the same time one builds and one waits.
# With KUBEBUILDER_ASSETS (a folder with kube-apiserver and etcd) the control plane is not built. etcd is
# installed by apt-get if it is missing and this is root on Debian or Ubuntu.
set -euo pipefail

# shellcheck source=paths.sh
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

say() { printf 'tools: %s\n' "$1" >&2; }
fail() { say "$1"; exit 1; }

# require_go NAME MINOR: Go 1.MINOR or later; a toolchain is never downloaded.
require_go() {
  local have
  command -v go >/dev/null || fail "Go is missing: install Go 1.$2 or later and put it on the PATH to build $1"
  have=$(GOTOOLCHAIN=local go env GOVERSION)
  have=${have#go1.}
  ((${have%%[!0-9]*} >= $2)) || fail "Go 1.$have is too old to build $1: install Go 1.$2 or later"
}

# lock_cache NAME: by descriptor 9, until that is closed.
lock_cache() {
  local target
  target=$(cache_path "$1")
  command -v flock >/dev/null || fail 'flock is missing: install util-linux'
  mkdir -p "$(dirname "$target")"
  exec 9>"$target.lock"
  if ! flock --nonblock 9; then
    say "$1 is being built by another call; waiting for it"
    flock 9
  fi
}

# build NAME MODULE_DIR PACKAGE LDFLAGS [TAGS]: into the cache. The binary gets its name only when it is complete.
build() {
  local name=$1 module_dir=$2 package=$3 ldflags=$4 tags=${5:-} target started=$SECONDS
  target=$(cache_path "$name")
  lock_cache "$name"
  if [[ ! -x "$target" ]]; then
    say "building $name at low priority (minutes of CPU the first time) into $(dirname "$target")"
    # Without cgo no C compiler is needed. -mod=readonly: go.sum, the key of the cache, must not change.
    (cd "$module_dir" && GOTOOLCHAIN=local CGO_ENABLED=0 nice -n 10 \
      go build -mod=readonly -buildvcs=false -trimpath -tags "$tags" -ldflags "-s -w $ldflags" \
      -o "$target.partial" "$package") >&2 ||
      fail "go build of $name failed, see above; it must reach a Go module proxy (go env GOPROXY)"
    mv "$target.partial" "$target"
    say "built $name in $((SECONDS - started)) s"
  fi
  exec 9>&-
}

# module_version DIR MODULE: the version that DIR/go.mod requires.
module_version() {
  (cd "$1" && GOTOOLCHAIN=local go list -mod=readonly -m -f '{{.Version}}' "$2")
}

ensure_etcd() {
  if find_program etcd >/dev/null; then return; fi
  if [[ $(id -u) == 0 && -e /etc/debian_version ]] && command -v apt-get >/dev/null; then
    say 'installing etcd: apt-get install -y etcd-server'
    DEBIAN_FRONTEND=noninteractive apt-get install -y etcd-server >&2 ||
      fail 'apt-get could not install etcd-server: run apt-get update and try again, or put etcd on the PATH'
  fi
}

build_control_plane() {
  local name paths version minor stamp=k8s.io/component-base/version
  ensure_etcd
  # Before the build: nobody should wait for it to learn that something else is missing.
  for name in etcd kubectl openssl; do
    print_path "$name" "$(find_program "$name")" >/dev/null || exit 1
  done
  if [[ -z "${KUBEBUILDER_ASSETS:-}" && ! -x $(cache_path control-plane) ]]; then
    require_go control-plane 24
    version=$(module_version "$tools_dir" k8s.io/kubernetes)
    minor=${version#v1.}
    # Without a stamp the API server takes itself for v0.0.0, and clients refuse it.
    build control-plane "$tools_dir" ./control-plane \
      "-X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}"
  fi
  paths=$(print_cluster_paths) || exit 1
  sed -n '1s/^[^=]*=//p' <<<"$paths"
}

build_helm() {
  if [[ ! -x $(cache_path helm) ]]; then
    require_go helm 26
    local version minor module=helm.sh/helm/v3 stamp=''
    version=$(module_version "$tools_dir/helm" "$module")
    minor=$(module_version "$tools_dir/helm" k8s.io/client-go)
    minor=${minor#v0.}
    # What Helm's own Makefile stamps: `helm template` and `helm lint` assume this Kubernetes version.
    for package in pkg/chartutil pkg/lint/rules; do
      stamp+=" -X $module/$package.k8sVersionMajor=1 -X $module/$package.k8sVersionMinor=${minor%%.*}"
    done
    build helm "$tools_dir/helm" "$module/cmd/helm" "-X $module/internal/version.version=$version$stamp"
  fi
  cache_path helm
}

build_dns() {
  if [[ ! -x $(cache_path coredns) ]]; then
    require_go coredns 24
    build coredns "$tools_dir/dns" . ''
  fi
  cache_path coredns
}

# Of the modules in foreign-kinds/go.mod the CRDs that crds.txt names; the modules themselves are not kept.
build_foreign_kinds() {
  local target modules module version file
  target=$(cache_path foreign-kinds)
  lock_cache foreign-kinds
  if [[ ! -d "$target" ]]; then
    say "taking the CustomResourceDefinitions of others out of their Go modules into $target"
    modules=$target.modules
    rm -rf "$modules" "$target.partial" && mkdir "$target.partial"
    while read -r module version; do
      # Where go.sum is, by which Go judges what it gets.
      (cd "$tools_dir/foreign-kinds" && GOTOOLCHAIN=local GOFLAGS=-modcacherw GOMODCACHE="$modules" \
        go mod download "$module@$version") >&2 || fail "$module $version could not be had, see above"
      while read -r file; do
        cp "$modules/$module@$version/$file" "$target.partial/" || fail "$module $version has no $file"
      done < <(sed -n "s|^$module ||p" "$tools_dir/foreign-kinds/crds.txt")
    done < <(sed -nE 's/^\t([^ ]+) (v[^ ]+)$/\1 \2/p' "$tools_dir/foreign-kinds/go.mod")
    rm -rf "$modules"
    mv "$target.partial" "$target"
  fi
  exec 9>&-
}

build_chart_tools() {
  local name
  build_module kubeconform "$tools_dir/chart-tools" github.com/yannh/kubeconform/cmd/kubeconform >/dev/null
  build_module kube-score "$tools_dir/chart-tools" github.com/zegl/kube-score/cmd/kube-score >/dev/null
  # Of Helm's module: it renders by the Helm that the other tests use, and most of it is compiled for that.
  build_module helm-unittest "$tools_dir/helm" github.com/helm-unittest/helm-unittest/cmd/helm-unittest >/dev/null
  if [[ ! -d $(cache_path foreign-kinds) ]]; then
    require_go foreign-kinds 26
    build_foreign_kinds
  fi
  for name in "${chart_tools[@]}"; do cache_path "$name"; done
}

# build_module NAME MODULE_DIR PACKAGE [TAGS]: a program with nothing to stamp.
build_module() {
  if [[ ! -x $(cache_path "$1") ]]; then
    require_go "$1" 26
    build "$1" "$2" "$3" '' "${4:-}"
  fi
  cache_path "$1"
}

bench_dir=$tools_dir/../bench

# build_package NAME DIR: the program of an npm package with its dependencies, as DIR/package-lock.json pins them.
build_package() {
  local target
  target=$(cache_path "$1")
  lock_cache "$1"
  if [[ ! -x "$target" ]]; then
    say "installing $1 from npm into $(dirname "$target")"
    rm -rf "$target.packages" && mkdir "$target.packages"
    cp "$2/package.json" "$2/package-lock.json" "$target.packages/"
    npm ci --prefix "$target.packages" --ignore-scripts --no-audit --no-fund >&2 || fail "npm ci of $1 failed, see above"
    # It gets its name only when it is complete.
    ln -sfn "$1.packages/node_modules/.bin/$1" "$target"
  fi
  exec 9>&-
  printf '%s\n' "$target"
}

case "${1:-control-plane}" in
  control-plane) build_control_plane ;;
  helm) build_helm ;;
  chart-tools) build_chart_tools ;;
  dns) build_dns ;;
  kopia) build_module kopia "$tools_dir/kopia" github.com/kopia/kopia nohtmlui ;;
  minio) build_module minio "$bench_dir/peers/minio" github.com/minio/minio ;;
  versitygw) build_module versitygw "$bench_dir/peers/versitygw" github.com/versity/versitygw/cmd/versitygw ;;
  s3rver) build_package s3rver "$bench_dir/peers/s3rver" ;;
  bench-client) build_module bench-client "$bench_dir/client" . ;;
  --print) print_paths "${2:-control-plane}" ;;
  *) fail "unknown tool $1: the head of tools/build.sh says which there are" ;;
esac
