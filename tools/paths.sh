#!/usr/bin/env bash
# Prints where the programs of the cluster tier are, one `name=path` a line, and builds nothing:
#   control-plane=…   the binary of tools/build.sh: its first argument names the process (kube-apiserver, …)
#   kube-apiserver=…  instead of control-plane, with KUBEBUILDER_ASSETS; kube-controller-manager=… if it has one
#   etcd=…  kubectl=…  openssl=…
# `tools/paths.sh NAME` (helm, kopia, minio, versitygw, s3rver, bench-client) prints NAME=… instead, `tools/paths.sh dns` coredns=…,
# `tools/paths.sh chart-tools` kubeconform=…, kube-score=…, helm-unittest=… and foreign-kinds=… (a folder of CRDs).
# Exit 1, with one line on stderr for each program that is missing and what to do about it. tools/build.sh sources this file, so that both agree on where things are.
set -euo pipefail

tools_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# cache_path NAME: where a built tool is kept, keyed by what decides its content.
cache_path() {
  local key sources
  case "$1" in
    control-plane) sources=("$tools_dir/go.sum" "$tools_dir/control-plane/main.go") ;;
    helm | helm-unittest) sources=("$tools_dir/helm/go.sum") ;;
    kubeconform | kube-score) sources=("$tools_dir/chart-tools/go.sum") ;;
    foreign-kinds) sources=("$tools_dir/foreign-kinds/go.sum" "$tools_dir/foreign-kinds/crds.txt") ;;
    coredns) sources=("$tools_dir/dns/go.sum" "$tools_dir/dns/main.go") ;;
    kopia) sources=("$tools_dir/kopia/go.sum") ;;
    minio | versitygw) sources=("$tools_dir/../bench/peers/$1/go.sum") ;;
    s3rver) sources=("$tools_dir/../bench/peers/s3rver/package-lock.json") ;;
    bench-client) sources=("$tools_dir/../bench/client/go.mod" "$tools_dir/../bench/client/"*.go) ;;
  esac
  key=$(cat "${sources[@]}" | sha256sum | cut -c1-16)
  printf '%s/tools-%s/%s\n' "${HOLDFAST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/holdfast}" "$key" "$1"
}

# find_program NAME: from KUBEBUILDER_ASSETS, else from the PATH. Prints the path, or nothing and fails.
find_program() {
  if [[ -n "${KUBEBUILDER_ASSETS:-}" && -x "$KUBEBUILDER_ASSETS/$1" ]]; then
    printf '%s\n' "$KUBEBUILDER_ASSETS/$1"
  else
    command -v "$1"
  fi
}

advice() {
  case "$1" in
    control-plane) echo 'run npm run setup:cluster (tools/build.sh): about 10 min, needs Go 1.24 or later' ;;
    helm) echo 'run tools/build.sh helm: about 3 min, needs Go 1.26 or later' ;;
    coredns) echo 'run tools/build.sh dns: about 2 min, needs Go 1.24 or later' ;;
    kubeconform | kube-score | helm-unittest) echo 'run tools/build.sh chart-tools: about 2 min, needs Go 1.26 or later' ;;
    foreign-kinds) echo 'run tools/build.sh chart-tools: needs Go and a Go module proxy' ;;
    kopia) echo 'run tools/build.sh kopia: about 4 min, needs Go 1.26 or later' ;;
    kube-apiserver) echo 'KUBEBUILDER_ASSETS is set but has none: put it there, or unset the variable' ;;
    minio | versitygw) echo 'run tools/build.sh '"$1"': about 5 min, needs Go 1.26 or later' ;;
    s3rver) echo 'run tools/build.sh s3rver: some seconds, needs npm' ;;
    bench-client) echo 'run tools/build.sh bench-client: some seconds, needs Go 1.26 or later' ;;
    etcd) echo 'Debian and Ubuntu: apt-get install etcd-server; elsewhere put etcd 3.4 or later on the PATH' ;;
    kubectl) echo 'put kubectl 1.31 to 1.35 on the PATH, or into the folder of KUBEBUILDER_ASSETS' ;;
    openssl) echo 'Debian and Ubuntu: apt-get install openssl; elsewhere put openssl 3 on the PATH' ;;
  esac
}

missing() {
  printf 'tools: %s is missing: %s\n' "$1" "$(advice "$1")" >&2
}

# print_path NAME PATH: fails, with the advice, if there is no such program. An empty path is none.
print_path() {
  if [[ ! -x "$2" ]]; then missing "$1"; return 1; fi
  printf '%s=%s\n' "$1" "$2"
}

print_cluster_paths() {
  local name status=0
  if [[ -n "${KUBEBUILDER_ASSETS:-}" ]]; then
    print_path kube-apiserver "$KUBEBUILDER_ASSETS/kube-apiserver" || status=1
    if [[ -x "$KUBEBUILDER_ASSETS/kube-controller-manager" ]]; then
      print_path kube-controller-manager "$KUBEBUILDER_ASSETS/kube-controller-manager"
    fi
  else
    print_path control-plane "$(cache_path control-plane)" || status=1
  fi
  for name in etcd kubectl openssl; do
    print_path "$name" "$(find_program "$name")" || status=1
  done
  return "$status"
}

chart_tools=(kubeconform kube-score helm-unittest foreign-kinds)

print_chart_tools() {
  local name status=0
  for name in "${chart_tools[@]}"; do print_path "$name" "$(cache_path "$name")" || status=1; done
  return "$status"
}

print_paths() {
  case "${1:-control-plane}" in
    control-plane) print_cluster_paths ;;
    helm | kopia | minio | versitygw | s3rver | bench-client) print_path "$1" "$(cache_path "$1")" ;;
    chart-tools) print_chart_tools ;;
    dns) print_path coredns "$(cache_path coredns)" ;;
    *) printf 'tools: unknown tool %s; tools/build.sh says which there are\n' "$1" >&2; return 1 ;;
  esac
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
  print_paths "$@"
fi
