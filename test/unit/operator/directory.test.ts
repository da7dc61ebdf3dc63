import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clusterPoliciesOf } from '../../../src/operator/cluster-policies.ts'
import {
  bucketYaml,
  type Folder,
  makeFolder,
  policyYaml,
  type RunningSource,
  startSource,
  until,
} from './directory-fixtures.ts'

const policyKey = { namespace: 'default', name: 'keep' }
const bucketKey = { namespace: 'team', name: 'backups' }

let folder: Folder
const running: RunningSource[] = []

beforeEach(async () => {
  folder = await makeFolder()
})

afterEach(async () => {
  for (const source of running.splice(0)) await source.stop()
  await folder.remove()
})

async function start(): Promise<RunningSource> {
  const started = await startSource(folder)
  running.push(started)
  return started
}

/** In one step: on a busy machine a file that is empty while it is written may stand still long enough to count as empty. */
async function write(name: string, text: string): Promise<void> {
  const beside = join(folder.manifests, '..', name)
  await writeFile(beside, text)
  await rename(beside, join(folder.manifests, name))
}

test('DirectorySource: a file of several documents, all are there when start resolves, with uid and generation 1', async () => {
  await write(
    'all.yaml',
    `${policyYaml('keep', '{mode: COMPLIANCE, days: 30}')}---\n${bucketYaml('backups', 'keep')}`,
  )
  await write('notes.txt', 'not a manifest')
  await write('.hidden.yaml', policyYaml('hidden', '{mode: GOVERNANCE, days: 1}'))
  const { source, problems } = await start()
  const policy = source.get('RetentionPolicy', policyKey)
  expect(policy?.spec.defaultRetention).toEqual({ mode: 'COMPLIANCE', days: 30 })
  expect(policy?.metadata).toMatchObject({ generation: 1, namespace: 'default', name: 'keep' })
  expect(policy?.metadata.uid).toMatch(/^[0-9a-f-]{36}$/)
  expect(source.get('LockedBucket', bucketKey)?.spec.bucketName).toBe('backups-bucket')
  expect(source.list('RetentionPolicy')).toHaveLength(1)
  expect(problems).toEqual([])
})

test('DirectorySource: JSON and yml files, they are manifests too', async () => {
  const spec = { defaultRetention: { mode: 'GOVERNANCE', days: 1 } }
  const head = { apiVersion: 'holdfast.dev/v1', kind: 'RetentionPolicy' }
  await write('a.json', JSON.stringify({ ...head, metadata: { name: 'json' }, spec }))
  await write('b.yml', policyYaml('yml', '{mode: GOVERNANCE, years: 1}'))
  const { source } = await start()
  expect(source.list('RetentionPolicy').map(({ metadata }) => metadata.name)).toEqual(['json', 'yml'])
})

test('DirectorySource: an edit that means the same, the generation stays; a longer period, it counts up', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  const { source, changes } = await start()
  const uid = source.get('RetentionPolicy', policyKey)?.metadata.uid
  await write('a.yaml', `# a comment\n${policyYaml('keep', '{days: 30, mode: COMPLIANCE}')}`)
  await write('b.yaml', policyYaml('seen', '{mode: GOVERNANCE, days: 1}'))
  await until(() => source.get('RetentionPolicy', { namespace: 'default', name: 'seen' }) !== null)
  expect(source.get('RetentionPolicy', policyKey)?.metadata.generation).toBe(1)
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 31}'))
  await until(() => source.get('RetentionPolicy', policyKey)?.metadata.generation === 2)
  expect(source.get('RetentionPolicy', policyKey)?.metadata.uid).toBe(uid)
  expect(changes.filter(({ name }) => name === 'keep')).toHaveLength(2)
})

test('DirectorySource: a COMPLIANCE policy made shorter, the accepted one stays and the refusal says why, once', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  const { source, problems } = await start()
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 7}'))
  await until(() => problems.length > 0)
  expect(problems).toEqual([
    {
      kind: 'refused',
      file: 'a.yaml',
      object: { kind: 'RetentionPolicy', namespace: 'default', name: 'keep' },
      message: expect.stringMatching(/spec\.defaultRetention.*COMPLIANCE.*longer/),
    },
  ])
  expect(source.get('RetentionPolicy', policyKey)?.spec.defaultRetention).toEqual({
    mode: 'COMPLIANCE',
    days: 30,
  })
  expect(source.get('RetentionPolicy', policyKey)?.metadata.generation).toBe(1)
  await write('b.yaml', policyYaml('seen', '{mode: GOVERNANCE, days: 1}'))
  await until(() => source.get('RetentionPolicy', { namespace: 'default', name: 'seen' }) !== null)
  expect(problems).toHaveLength(1)
})

test('DirectorySource: weakened while nothing ran, the restart refuses it and keeps uid, generation and status', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  const first = await start()
  const before = first.source.get('RetentionPolicy', policyKey)
  if (before === null) throw new Error('the policy is not there')
  await first.source.writeStatus<'RetentionPolicy'>(before, { observedGeneration: 1, bucketCount: 3 })
  await first.stop()
  await write('a.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 30}'))
  const { source, problems } = await start()
  expect(problems).toMatchObject([{ kind: 'refused', file: 'a.yaml' }])
  const after = source.get('RetentionPolicy', policyKey)
  expect(after?.spec.defaultRetention.mode).toBe('COMPLIANCE')
  expect(after?.metadata).toMatchObject({ uid: before.metadata.uid, generation: 1 })
  expect(after?.status?.bucketCount).toBe(3)
})

test('DirectorySource: half a manifest that does not parse, the last good object stays until the rest is written', async () => {
  const whole = policyYaml('keep', '{mode: COMPLIANCE, days: 30}')
  await write('a.yaml', whole)
  const { source, problems, changes } = await start()
  await write('a.yaml', whole.slice(0, -12))
  await until(() => problems.length > 0)
  expect(problems).toMatchObject([{ kind: 'file', file: 'a.yaml' }])
  expect(source.get('RetentionPolicy', policyKey)?.spec.defaultRetention).toEqual({
    mode: 'COMPLIANCE',
    days: 30,
  })
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 60}'))
  await until(() => source.get('RetentionPolicy', policyKey)?.metadata.generation === 2)
  expect(changes.filter(({ cause }) => cause === 'object')).toHaveLength(2)
})

test('DirectorySource: one document of a file is wrong, the others are taken and nothing is deleted meanwhile', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 1}'))
  await write('b.yaml', policyYaml('other', '{mode: GOVERNANCE, days: 1}'))
  const { source, problems } = await start()
  await rm(join(folder.manifests, 'b.yaml'))
  await write('a.yaml', `${policyYaml('keep', '{mode: GOVERNANCE, days: 2}')}---\nkind: Unheard\n`)
  await until(() => source.get('RetentionPolicy', policyKey)?.metadata.generation === 2)
  await until(() => problems.length > 0)
  expect(source.get('RetentionPolicy', { namespace: 'default', name: 'other' })).not.toBeNull()
  await write('a.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 2}'))
  await until(() => source.get('RetentionPolicy', { namespace: 'default', name: 'other' }) === null)
})

test('DirectorySource: an unknown field, the file is reported and the object is not taken', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 1, dayz: 7}'))
  const { source, problems } = await start()
  expect(source.list('RetentionPolicy')).toEqual([])
  expect(problems).toMatchObject([{ kind: 'file', file: 'a.yaml', message: expect.stringContaining('dayz') }])
})

test('DirectorySource: a renamed file, its objects stay the same and nobody is told of a deletion', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  const { source, changes } = await start()
  const uid = source.get('RetentionPolicy', policyKey)?.metadata.uid
  changes.splice(0)
  await rename(join(folder.manifests, 'a.yaml'), join(folder.manifests, 'z.yaml'))
  await write('b.yaml', policyYaml('seen', '{mode: GOVERNANCE, days: 1}'))
  await until(() => source.get('RetentionPolicy', { namespace: 'default', name: 'seen' }) !== null)
  expect(source.get('RetentionPolicy', policyKey)?.metadata).toMatchObject({ uid, generation: 1 })
  await write('z.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 31}'))
  await until(() => source.get('RetentionPolicy', policyKey)?.metadata.generation === 2)
  expect(changes.filter(({ name }) => name === 'keep')).toHaveLength(1)
})

test('DirectorySource: an editor that writes beside and renames over, the new content is taken', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 30}'))
  const { source } = await start()
  await write('a.yaml~', policyYaml('keep', '{mode: GOVERNANCE, days: 31}'))
  await rename(join(folder.manifests, 'a.yaml~'), join(folder.manifests, 'a.yaml'))
  await until(() => source.get('RetentionPolicy', policyKey)?.metadata.generation === 2)
  expect(source.get('RetentionPolicy', policyKey)?.spec.defaultRetention.days).toBe(31)
})

test('DirectorySource: a mounted ConfigMap whose ..data link is swapped, the new content is taken', async () => {
  const { manifests } = folder
  await mkdir(join(manifests, '..2026_1'))
  await writeFile(join(manifests, '..2026_1', 'a.yaml'), policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  await symlink('..2026_1', join(manifests, '..data'))
  await symlink('..data/a.yaml', join(manifests, 'a.yaml'))
  const { source, changes } = await start()
  expect(source.get('RetentionPolicy', policyKey)?.metadata.generation).toBe(1)
  changes.splice(0)
  await mkdir(join(manifests, '..2026_2'))
  await writeFile(join(manifests, '..2026_2', 'a.yaml'), policyYaml('keep', '{mode: COMPLIANCE, days: 45}'))
  await symlink('..2026_2', join(manifests, '..data_tmp'))
  await rename(join(manifests, '..data_tmp'), join(manifests, '..data'))
  await rm(join(manifests, '..2026_1'), { recursive: true })
  await until(() => source.get('RetentionPolicy', policyKey)?.metadata.generation === 2)
  expect(source.get('RetentionPolicy', policyKey)?.spec.defaultRetention.days).toBe(45)
  expect(changes).toEqual([{ kind: 'RetentionPolicy', ...policyKey, cause: 'object' }])
})

test('DirectorySource: a deleted file, its objects go; written again they keep their uid and count on', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  const first = await start()
  const uid = first.source.get('RetentionPolicy', policyKey)?.metadata.uid
  await rm(join(folder.manifests, 'a.yaml'))
  await until(() => first.source.get('RetentionPolicy', policyKey) === null)
  expect(await readdir(join(folder.state, 'RetentionPolicy'))).toEqual([])
  await first.stop()
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 7}'))
  const { source, problems } = await start()
  expect(problems).toEqual([])
  expect(source.get('RetentionPolicy', policyKey)?.metadata).toMatchObject({ uid, generation: 2 })
})

test('DirectorySource: one object in two files, the first by name wins and the other is reported', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 10}'))
  await write('b.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 20}'))
  const { source, problems } = await start()
  expect(source.get('RetentionPolicy', policyKey)?.spec.defaultRetention.days).toBe(10)
  expect(problems).toMatchObject([
    { kind: 'duplicate', file: 'b.yaml', message: expect.stringContaining('a.yaml') },
  ])
})

test('DirectorySource: the folder disappears, the objects stay and it is said', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  const { source, problems } = await start()
  await rename(folder.manifests, `${folder.manifests}-away`)
  await until(() => problems.length > 0)
  expect(problems).toMatchObject([{ kind: 'file', message: expect.stringContaining('ENOENT') }])
  expect(source.get('RetentionPolicy', policyKey)).not.toBeNull()
})

test('DirectorySource: a status computed from an older object, it is refused as a conflict', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  const { source, changes } = await start()
  const stale = source.get('RetentionPolicy', policyKey)
  if (stale === null) throw new Error('the policy is not there')
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 31}'))
  await until(() => source.get('RetentionPolicy', policyKey)?.metadata.generation === 2)
  expect(await source.writeStatus<'RetentionPolicy'>(stale, { observedGeneration: 1 })).toEqual({
    kind: 'conflict',
  })
  const fresh = source.get('RetentionPolicy', policyKey)
  if (fresh === null) throw new Error('the policy is not there')
  expect(await source.writeStatus<'RetentionPolicy'>(fresh, { observedGeneration: 2 })).toEqual({
    kind: 'written',
  })
  expect(changes.at(-1)).toEqual({ kind: 'RetentionPolicy', ...policyKey, cause: 'ownStatus' })
  const text = await readFile(join(folder.state, 'RetentionPolicy', 'default.keep.yaml'), 'utf8')
  expect(text).toContain('observedGeneration: 2')
})

test('DirectorySource: a state file that cannot be read, it is left out and the manifest is taken as new', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 30}'))
  const first = await start()
  await first.stop()
  await writeFile(join(folder.state, 'RetentionPolicy', 'default.keep.yaml'), '{torn')
  const { source } = await start()
  expect(source.get('RetentionPolicy', policyKey)?.metadata.generation).toBe(1)
})

test('DirectorySource: only an annotation changes, the object changes and its generation stays', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 1}'))
  const { source } = await start()
  const before = source.get('RetentionPolicy', policyKey)
  const annotated = policyYaml('keep', '{mode: GOVERNANCE, days: 1}').replace(
    '{name: keep}',
    '{name: keep, annotations: {note: seen}}',
  )
  await write('a.yaml', annotated)
  await until(() => source.get('RetentionPolicy', policyKey)?.metadata.annotations !== undefined)
  const after = source.get('RetentionPolicy', policyKey)
  expect(after?.metadata.generation).toBe(1)
  expect(after?.metadata.resourceVersion).not.toBe(before?.metadata.resourceVersion)
})

test('DirectorySource: the first of two files for an object is half-written, the second does not take it over', async () => {
  await write('a.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 10}'))
  await write('b.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 20}'))
  const { source, problems } = await start()
  await write('a.yaml', '{half')
  await until(() => problems.some(({ kind, file }) => kind === 'file' && file === 'a.yaml'))
  expect(source.get('RetentionPolicy', policyKey)?.spec.defaultRetention.days).toBe(10)
})

test('DirectorySource: a ClusterRetentionPolicy belongs to no namespace, and selects namespaces by name', async () => {
  const yaml = (metadata: string) =>
    `apiVersion: holdfast.dev/v1\nkind: ClusterRetentionPolicy\nmetadata: ${metadata}\n` +
    'spec: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}, ceiling: {days: 9}}\n'
  await write('cluster.yaml', yaml('{name: baseline}'))
  await write('policy.yaml', policyYaml('keep', '{mode: COMPLIANCE, days: 1}'))
  const first = await start()
  const { source } = first
  const key = { namespace: '', name: 'baseline' }
  expect(source.get('ClusterRetentionPolicy', key)?.metadata).toMatchObject({ ...key, generation: 1 })
  expect(source.namespaces()).toEqual(new Map([['default', { 'kubernetes.io/metadata.name': 'default' }]]))
  expect(clusterPoliciesOf(source, 'default')).toMatchObject({ kind: 'known', policies: [{ metadata: key }] })
  await first.stop()
  const again = await start()
  expect(again.source.get('ClusterRetentionPolicy', key)?.metadata.generation).toBe(1)
  await write('cluster.yaml', yaml('{name: baseline, namespace: team}'))
  await until(() => again.problems.length > 0)
  expect(again.problems[0]?.message).toContain('metadata.namespace: the kind belongs to no namespace')
})

/** What a file can be called beside its `.yaml` and what it is called while it is written. */
const stateNameMax = 255 - '.yaml'.length - '.0123456789abcdef.part'.length

test.each([
  ['the longest whose file has its whole name', stateNameMax - 'default.'.length],
  ['one character longer', stateNameMax - 'default.'.length + 1],
  ['the longest that Kubernetes takes', 253],
])(
  'DirectorySource: a name of %s, it is kept as any other, and holds nothing else up',
  async (_title, length) => {
    const [name, other] = ['a', 'b'].map((last) => 'x'.repeat(length - 1) + last) as [string, string]
    const named = { namespace: 'default', name }
    await write('a.yaml', policyYaml(name, '{mode: COMPLIANCE, days: 30}'))
    await write('b.yaml', policyYaml(other, '{mode: GOVERNANCE, days: 1}'))
    await write('c.yaml', policyYaml('keep', '{mode: GOVERNANCE, days: 1}'))
    const first = await start()
    expect(first.source.list('RetentionPolicy')).toHaveLength(3)
    const uid = first.source.get('RetentionPolicy', named)?.metadata.uid
    expect(uid).toBeDefined()
    await first.stop()
    await write('a.yaml', policyYaml(name, '{mode: COMPLIANCE, days: 7}'))
    const second = await start()
    expect(second.problems).toMatchObject([{ kind: 'refused', file: 'a.yaml' }])
    expect(second.source.get('RetentionPolicy', named)).toMatchObject({
      metadata: { uid, generation: 1 },
      spec: { defaultRetention: { days: 30 } },
    })
    // Its tombstone is found as well.
    await rm(join(folder.manifests, 'a.yaml'))
    await until(() => second.source.get('RetentionPolicy', named) === null)
    await second.stop()
    await write('a.yaml', policyYaml(name, '{mode: COMPLIANCE, days: 8}'))
    const third = await start()
    expect(third.source.get('RetentionPolicy', named)?.metadata).toMatchObject({ uid, generation: 2 })
    const files = await readdir(join(folder.state, 'RetentionPolicy'))
    expect(files).toHaveLength(3)
    // Whatever an earlier release could write is where it wrote it.
    expect(files.includes(`default.${name}.yaml`)).toBe(length <= stateNameMax - 'default.'.length)
  },
)
