/** examples/backup as its README says: the commands of its containers, on a volume that a server has or had. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type KubeObject, parseObjects, podOf, renderSet, root } from '../support/chart.ts'
import { conformance, snapshot } from '../support/conformance.ts'
import { holdfast } from '../support/holdfast.ts'
import { startTestServer } from '../support/server.ts'

const bench = conformance()
const read = (path: string) => readFileSync(join(root, 'examples/backup', path), 'utf8')
const example = parseObjects(read('from-snapshot.yaml'))
const restoring = parseObjects(read('restore.yaml'))
const server = podOf(renderSet('full').one('StatefulSet'))
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-backup-example-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function ofKind(kind: string, objects = example): KubeObject {
  const object = objects.find((one) => one.kind === kind)
  if (object === undefined) throw new Error(`the example has no ${kind}`)
  return object
}

type Folders = Readonly<Record<string, string>>

/** Folders of this machine in place of what is mounted. */
function onThisMachine(args: readonly string[], folders: Folders): readonly string[] {
  return args.map((argument) => {
    const [flag = '', value] = argument.split('=')
    return value === undefined ? flag : `${flag}=${folders[value]}`
  })
}

/** What it makes is whole, and has no fault. */
async function backUp(args: readonly string[], folders: Folders): Promise<void> {
  expect(await holdfast(...onThisMachine(args, folders))).toMatchObject({
    code: 0,
    stderr: '',
    stdout: /; whole\n$/,
  })
  expect(await holdfast('verify', `--data=${folders['/backup']}`)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(': nothing found\n'),
  })
}

test('kubectl exec: the command of the README is one of the image, on paths that the chart mounts', async () => {
  const [, command = ''] = /exec holdfast-server-0 -- (.*)\n/.exec(read('README.md')) ?? []
  const [program, script, ...args] = command.split(' ')
  const image = readFileSync(join(root, 'Dockerfile'), 'utf8')
  expect(image).toContain(`ENTRYPOINT ["${program}", "${script}"]`)
  const mounts = server.spec.containers[0]?.volumeMounts.map(({ mountPath }) => mountPath)
  expect(mounts).toEqual(expect.arrayContaining(['/data', '/backup']))

  const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>3</Days>' })
  for (const body of ['small', Buffer.alloc(200_000, 'large')])
    await bench.put(bucket, `${body.length}`, { body })
  await backUp(args, { '/data': bench.server().dataDirectory, '/backup': join(folder, 'beside') })
})

test('from a snapshot: the Job is as restricted as the server, and backs up what a killed server left; restored, it is the same', async () => {
  const job = podOf(ofKind('Job'))
  const [inJob] = job.spec.containers
  const restore = podOf(ofKind('Job', restoring))
  const ofServer = podOf(renderSet('default').one('StatefulSet'))
  const [container] = ofServer.spec.containers
  for (const { spec } of [job, restore]) {
    expect(spec['securityContext']).toEqual(ofServer.spec['securityContext'])
    for (const field of ['securityContext', 'resources', 'image'])
      expect(spec.containers[0]?.[field]).toEqual(container?.[field])
  }
  const claim = ofKind('PersistentVolumeClaim')
  expect(ofKind('VolumeSnapshot')['spec']).toMatchObject({
    source: { persistentVolumeClaimName: 'data-holdfast-server-0' },
  })
  expect(claim['spec']).toMatchObject({ dataSource: { name: ofKind('VolumeSnapshot').metadata.name } })
  expect(job.spec.volumes).toContainEqual({
    name: 'data',
    persistentVolumeClaim: { claimName: claim.metadata.name },
  })

  const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>3</Days>' })
  for (const body of ['first', 'second', Buffer.alloc(200_000, 'third')])
    await bench.put(bucket, 'key', { body })
  const before = await snapshot(bench.send, bucket)
  const { dataDirectory, kill9, start } = bench.server()
  await kill9()
  const data = join(folder, 'snapshot')
  cpSync(dataDirectory, data, { recursive: true })
  await start()
  const backup = join(folder, 'from-snapshot')
  await backUp(inJob?.args ?? [], { '/data': data, '/backup': backup })

  const restored = join(folder, 'restored')
  const { name: newClaim } = ofKind('PersistentVolumeClaim', restoring).metadata
  expect(restore.spec.volumes).toContainEqual({
    name: 'data',
    persistentVolumeClaim: { claimName: newClaim },
  })
  expect(read('README.md')).toContain(`--set server.persistence.existingClaim=${newClaim}\n`)
  const args = restore.spec.containers[0]?.args ?? []
  expect((await holdfast(...onThisMachine(args, { '/backup': backup, '/data': restored }))).code).toBe(0)
  const after = await startTestServer({ dataDirectory: restored })
  onTestFinished(() => after.stop())
  expect(await snapshot(after.client.send, bucket)).toEqual(before)
})
