/** What the programs of a node read. JSON is YAML. */

export const podRange = '10.244.0.0/24'

/** containerd 1.6 and later 1.x. */
export const containerd = `
version = 2
disabled_plugins = ["io.containerd.internal.v1.opt"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`

export const network = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'pods',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: podRange }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
}

type KubeletNeeds = {
  readonly caPath: string
  readonly resolvConf: string
  readonly clusterDns: string
  readonly cgroup: string
}

export function kubelet({ caPath, resolvConf, clusterDns, cgroup }: KubeletNeeds): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: caPath },
    },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    clusterDNS: [clusterDns],
    clusterDomain: 'cluster.local',
    resolvConf,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    // A test that waits for the kubelet to notice something waits for these.
    syncFrequency: '5s',
    nodeStatusUpdateFrequency: '5s',
    localStorageCapacityIsolation: false,
    enforceNodeAllocatable: [],
    makeIPTablesUtilChains: false,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
  }
}

/** CoreDNS's own format. Names outside the cluster are nobody's business here. */
export function names(address: string, kubeconfig: string): string {
  return `
.:53 {
  bind ${address}
  errors
  ready
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig} test
  }
}
`
}
