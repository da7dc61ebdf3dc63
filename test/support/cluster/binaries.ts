import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** A program and the arguments that come before its own flags. */
export type Command = { readonly file: string; readonly leading: readonly string[] }

/** The programs of the cluster tier. KUBEBUILDER_ASSETS may lack a controller manager: then it is null. */
export type Binaries = {
  readonly kind: 'found'
  /** The one binary of every Kubernetes process; null with KUBEBUILDER_ASSETS, which has no processes of a node. */
  readonly controlPlane: string | null
  readonly apiServer: Command
  readonly controllerManager: Command | null
  readonly etcd: string
  readonly kubectl: string
  readonly openssl: string
}

/** `advice` has one line for each missing program: what it is and what to do. */
export type BinariesMissing = { readonly kind: 'missing'; readonly advice: string }

/** What a test run prints, word for word, when the cluster tier cannot run. */
export const CLUSTER_TIER_NOT_RUN = 'cluster tier not run: npm run setup:cluster (about 10 min, needs Go)'

/** Where the programs are. tools/paths.sh is the only place that knows; nothing is built or installed. */
export function findBinaries(): Binaries | BinariesMissing {
  const script = join(import.meta.dirname, '../../../tools/paths.sh')
  const result = spawnSync('bash', [script], { encoding: 'utf8' })
  if (result.error !== undefined) {
    return { kind: 'missing', advice: `bash cannot run ${script}: ${result.error.message}` }
  }
  const paths = parsePaths(result.stdout)
  const apiServer = command(paths, 'kube-apiserver')
  const etcd = paths.get('etcd')
  const kubectl = paths.get('kubectl')
  const openssl = paths.get('openssl')
  if (result.status !== 0 || apiServer === null || !etcd || !kubectl || !openssl) {
    return { kind: 'missing', advice: result.stderr.trim() }
  }
  const controllerManager = command(paths, 'kube-controller-manager')
  const controlPlane = paths.get('control-plane') ?? null
  return { kind: 'found', controlPlane, apiServer, controllerManager, etcd, kubectl, openssl }
}

/** Where tools/build.sh TOOL put `program`. Throws with what to do if it is not there. */
export function toolPath(tool: string, program: string): string {
  const script = join(import.meta.dirname, '../../../tools/paths.sh')
  const { stdout, stderr } = spawnSync('bash', [script, tool], { encoding: 'utf8' })
  const path = parsePaths(stdout).get(program)
  if (path === undefined) throw new Error(stderr)
  return path
}

function parsePaths(output: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>()
  for (const line of output.split('\n')) {
    const separator = line.indexOf('=')
    if (separator > 0) paths.set(line.slice(0, separator), line.slice(separator + 1))
  }
  return paths
}

/** A binary of its own (KUBEBUILDER_ASSETS), or the one binary whose first argument names the process. */
function command(paths: ReadonlyMap<string, string>, name: string): Command | null {
  const own = paths.get(name)
  if (own !== undefined) return { file: own, leading: [] }
  const shared = paths.get('control-plane')
  return shared === undefined ? null : { file: shared, leading: [name] }
}
