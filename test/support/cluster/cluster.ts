import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { kubeconfigPath, type Tokens, tokenOf, type UserName } from './users.ts'

const REQUEST_TIMEOUT_MS = 30_000
const KUBECTL_TIMEOUT_MS = 60_000

/** All that a client of a running control plane needs; plain data, so that vitest can hand it to the tests. */
export type ClusterAddress = {
  readonly endpoint: string
  readonly caPath: string
  /** Holds the kubeconfig files. */
  readonly directory: string
  readonly kubectl: string
  readonly tokens: Tokens
}

export type KubectlOptions = {
  /** cluster-admin when not given. */
  readonly user?: UserName
  readonly stdin?: string
}

export type KubectlResult = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type ApiRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With the query, for example /api/v1/namespaces?limit=1. */
  readonly path: string
  /** cluster-admin when not given. */
  readonly user?: UserName
  /** Sent as JSON. */
  readonly body?: unknown
  /** application/json when not given; a PATCH names its kind here. */
  readonly contentType?: string
  readonly timeoutMs?: number
}

export type ApiResponse = {
  readonly status: number
  readonly text: string
  /** The body parsed; throws if it is not JSON (/readyz, /metrics). */
  json(): unknown
}

/** A running API server seen from a test. */
export type Cluster = {
  /** https://127.0.0.1:port */
  readonly endpoint: string
  readonly address: ClusterAddress
  kubeconfigPath(user: UserName): string
  /** Runs kubectl to its end; an exit code other than 0 is a result, not an error. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<KubectlResult>
  /** One HTTP request, where kubectl would hide the status code. Rejects only if there is no answer. */
  request(request: ApiRequest): Promise<ApiResponse>
  /** Creates a namespace named `name` and a unique suffix, and returns that name. */
  createNamespace(name: string): Promise<string>
}

/** The client's side of a control plane that runs already, in this process or in another one. */
export function connectCluster(address: ClusterAddress): Cluster {
  const request = (apiRequest: ApiRequest) => sendRequest(address, apiRequest)
  return {
    endpoint: address.endpoint,
    address,
    kubeconfigPath: (user) => kubeconfigPath(address.directory, user),
    kubectl: (args, options = {}) => runKubectl(address, args, options),
    request,
    async createNamespace(name) {
      const unique = `${name}-${randomBytes(4).toString('hex')}`
      const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: unique } }
      const response = await request({ method: 'POST', path: '/api/v1/namespaces', body })
      if (response.status !== 201) {
        throw new Error(`the API server refused namespace ${unique} (${response.status}): ${response.text}`)
      }
      return unique
    },
  }
}

function sendRequest(address: ClusterAddress, apiRequest: ApiRequest): Promise<ApiResponse> {
  const { method, path, user = 'cluster-admin', body, contentType = 'application/json' } = apiRequest
  const timeoutMs = apiRequest.timeoutMs ?? REQUEST_TIMEOUT_MS
  const headers: Record<string, string> = { authorization: `Bearer ${tokenOf(address.tokens, user)}` }
  if (body !== undefined) headers['content-type'] = contentType
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      `${address.endpoint}${path}`,
      // A connection for each request: nothing to go stale when the API server is killed.
      {
        method,
        headers,
        ca: readFileSync(address.caPath),
        agent: false,
        signal: AbortSignal.timeout(timeoutMs),
      },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          const json = (): unknown => JSON.parse(text)
          resolve({ status: incoming.statusCode ?? 0, text, json })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function runKubectl(
  address: ClusterAddress,
  args: readonly string[],
  options: KubectlOptions,
): Promise<KubectlResult> {
  const kubeconfig = kubeconfigPath(address.directory, options.user ?? 'cluster-admin')
  const cache = join(address.directory, 'kubectl-cache')
  const child = spawn(address.kubectl, ['--kubeconfig', kubeconfig, '--cache-dir', cache, ...args], {
    timeout: KUBECTL_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  // kubectl may end without reading its input (a wrong flag): its exit code says so, not a broken pipe.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.stdin ?? '')
  const ended = Promise.withResolvers<number | null>()
  child.on('error', ended.reject)
  child.on('close', ended.resolve)
  const code = await ended.promise
  if (code === null) {
    throw new Error(`kubectl ${args.join(' ')} was killed, after ${KUBECTL_TIMEOUT_MS} ms at most: ${stderr}`)
  }
  return { code, stdout, stderr }
}
