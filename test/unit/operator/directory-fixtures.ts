import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../../src/lib/log.ts'
import type { ManifestProblem } from '../../../src/operator/sources/desired.ts'
import { DirectorySource } from '../../../src/operator/sources/directory.ts'
import type { Change } from '../../../src/operator/sources/source.ts'
import { systemTimers } from '../../../src/operator/timers.ts'

export type Folder = {
  readonly manifests: string
  readonly state: string
  readonly remove: () => Promise<void>
}

export type RunningSource = {
  readonly source: DirectorySource
  readonly problems: ManifestProblem[]
  readonly changes: Change[]
  readonly stop: () => Promise<void>
}

export async function makeFolder(): Promise<Folder> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-directory-'))
  const manifests = join(root, 'manifests')
  await mkdir(manifests)
  return { manifests, state: join(root, 'status'), remove: () => rm(root, { recursive: true, force: true }) }
}

export async function startSource(folder: Folder): Promise<RunningSource> {
  const problems: ManifestProblem[] = []
  const changes: Change[] = []
  const abort = new AbortController()
  const source = new DirectorySource({
    directory: folder.manifests,
    stateDirectory: folder.state,
    timers: systemTimers,
    log: silentLog,
    onProblem: (problem) => problems.push(problem),
    readIntervalMs: 100,
  })
  source.subscribe((changed) => changes.push(changed))
  await source.start(abort.signal)
  const stop = async () => {
    abort.abort()
    await source.stopped()
  }
  return { source, problems, changes, stop }
}

/** Waits for a state, looking often; the test's own timeout ends it when the state never comes. */
export async function until(isReached: () => boolean): Promise<void> {
  while (!isReached()) await new Promise((resolve) => setTimeout(resolve, 10))
}

export function policyYaml(name: string, retention: string): string {
  return [
    'apiVersion: holdfast.dev/v1',
    'kind: RetentionPolicy',
    `metadata: {name: ${name}}`,
    `spec: {defaultRetention: ${retention}}`,
    '',
  ].join('\n')
}

export function bucketYaml(name: string, policy: string): string {
  return [
    'apiVersion: holdfast.dev/v1',
    'kind: LockedBucket',
    `metadata: {name: ${name}, namespace: team}`,
    `spec: {bucketName: ${name}-bucket, retentionPolicyRef: {name: ${policy}}}`,
    '',
  ].join('\n')
}
