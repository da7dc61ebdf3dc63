/**
 * Errors of the disk at each kind of step of every request that writes: the answer says that nothing is certain, no row is another
 * one, and the same request is done when it is sent again. The requests are those that the durability contract lists.
 * HOLDFAST_LONG=1: each of them meets each error; without it each error a part of them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { limits } from '../../src/lib/limits.ts'
import { fileSystemReadOnly } from '../../src/lib/read-only.ts'
import { metaKey, tablePrefix } from '../../src/store/keys.ts'
import { type Faults, prepareFaults } from '../support/crash/faults.ts'
import {
  bodyRows,
  broken,
  commitRows,
  fail,
  type InjectedRow,
  type Injection,
  injectionInto,
  rowsNamed,
  stagedFile,
  storeFile,
} from '../support/crash/injected.ts'
import { Ledger } from '../support/crash/ledger.ts'
import {
  type Mutation,
  type MutationRequest,
  makeMutationsBucket,
  mutations,
  mutationsBucket,
  mutationsMasterKey,
  sendMutation,
} from '../support/crash/mutations.ts'
import { until, untilEnded, untilReady } from '../support/crash/processes.ts'
import {
  isTidied,
  offlineFindings,
  readVolume,
  settledRows,
  verifyVolume,
} from '../support/crash/volume-state.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const isLong = process.env['HOLDFAST_LONG'] === '1'
const workerCount = 6
let faults: Faults
let server: TestServer
let injection: Injection

beforeAll(async () => {
  faults = prepareFaults()
  server = await startTestServer({
    environment: faults.environment,
    masterKey: mutationsMasterKey,
    workerCount,
  })
  injection = injectionInto(server, faults, workerCount)
  await makeMutationsBucket(server)
})
afterAll(async () => {
  faults.disarm()
  await server.stop()
  faults.remove()
})

const commitErrors = isLong
  ? commitRows
  : rowsNamed(commitRows, [
      'pages of the commit are not flushed: EIO, once',
      'pages of the commit are not written: ENOSPC, once',
      'the root of the commit is not written: EIO, once',
      'pages of the commit are not written: EIO, once',
      'half of a page of the commit is written, once',
    ])
/** Of these one file after the other meets one; where there is no room each of them, for no worker ends of it. */
const bodyErrors = rowsNamed(bodyRows, [
  'the bytes are not flushed: EIO, once',
  'the stage file cannot be opened: EMFILE',
  'bytes are not written: EIO',
  'the body gets no name: EIO',
  'the name of the body is not flushed: EIO, once',
  'the name in the stage is not flushed: EIO, once',
])
const roomErrors = bodyRows.filter(({ worker }) => worker === 'goesOn')

const hasFile = ({ flushes }: Mutation): boolean => flushes.includes('body bytes')

function errorsFor(mutation: Mutation): readonly InjectedRow[] {
  const turn = <Row>(rows: readonly Row[], index: number): readonly Row[] =>
    rows.filter((_, at) => isLong || at === index % rows.length)
  const commit = turn(commitErrors, mutations.indexOf(mutation))
  if (!hasFile(mutation)) return commit
  const files = mutations.filter(hasFile)
  return [...roomErrors, ...turn(isLong ? bodyRows : bodyErrors, files.indexOf(mutation)), ...commit]
}

/** By their keys. */
async function rows(): Promise<ReadonlyMap<string, string>> {
  return readVolume(server.dataDirectory, async (reader) => {
    const found = new Map<string, string>()
    for await (const { name, value } of settledRows(reader)) found.set(name, value)
    return found
  })
}

/** Of these the supervisor removes what is waste, when it likes: parts and lists with their bodies, and uploads that are long over. */
const wasteTags = [
  ...(['garbage', 'list', 'file', 'part'] as const).map((table) => tablePrefix(table)),
  metaKey('completed'),
  metaKey('completed-expiry'),
].map((key) => Buffer.from(key).toString('hex'))

/** Keys whose row is another one, or a new one, or is gone and was no waste. */
function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  const isWaste = (key: string) => !after.has(key) && wasteTags.some((tag) => key.startsWith(tag))
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => before.get(key) !== after.get(key) && !isWaste(key))
    .map((key) => Buffer.from(key, 'hex').toString('latin1'))
}

/** Where the write of a file's bytes goes on after half of them. */
async function sendAgain(mutation: Mutation, request: MutationRequest): Promise<number> {
  if (!hasFile(mutation)) return (await sendMutation(server, request)).status
  const half: Pick<InjectedRow, 'fault' | 'worker'> = {
    fault: { call: 'write', place: stagedFile, action: { kind: 'shorten' }, faulted: 3 },
    worker: 'goesOn',
  }
  return (await injection.meet(half, () => sendMutation(server, request))).status
}

describe('a request that meets an error of the disk', () => {
  it.each(mutations)(
    '$name: nothing is done, no row is another one, and again it is done',
    async (mutation) => {
      const request = await mutation.prepare(server)
      const before = await rows()
      for (const row of errorsFor(mutation)) {
        const { status, code } = await injection.meet(row, () => sendMutation(server, request))
        const expected = request.kind === 's3' ? row.answer : [row.answer[0], null]
        expect([row.name, status, code]).toEqual([row.name, ...expected])
        expect([row.name, differences(before, await rows())]).toEqual([row.name, []])
      }
      expect(await sendAgain(mutation, request)).toBe(mutation.status)
      expect(differences(before, await rows())).not.toEqual([])
    },
  )
})

/** Delete markers of the keys `marked-…`. */
async function markedCount(): Promise<number> {
  const query = { versions: '', prefix: 'marked-' }
  const answer = await server.client.send({ method: 'GET', path: `/${mutationsBucket}`, query })
  return answer.text.split('<DeleteMarker>').length - 1
}

async function twoCommits(): Promise<MutationRequest> {
  const many = mutations.find(({ flushes }) => flushes.filter((flush) => flush === 'store root').length === 2)
  if (many === undefined) throw new Error('there is no mutation of two commits')
  return many.prepare(server)
}

const secondCommit = { call: 'sync', place: storeFile, passed: 1, faulted: 1 } as const

it('DeleteObjects of two commits: where nobody knows of the second one, no key is answered, and what the first one did stays', async () => {
  const request = await twoCommits()
  const before = await markedCount()
  const second = { fault: { ...secondCommit, action: fail('EIO') }, worker: 'ends' } as const
  const { status, code } = await injection.meet(second, () => sendMutation(server, request))
  expect([status, code]).toEqual(broken.answer)
  expect((await markedCount()) - before).toBe(limits.deleteObjectsPerTransactionMax)
  expect((await sendMutation(server, request)).status).toBe(200)
  expect((await markedCount()) - before).toBe(2 * limits.deleteObjectsPerTransactionMax + 1)
})

it('DeleteObjects of two commits: where the second one is refused, each key is answered with what became of it', async () => {
  const request = await twoCommits()
  if (request.kind !== 's3') throw new Error('it is a request of S3')
  const before = await markedCount()
  faults.arm({ ...secondCommit, action: { kind: 'fail', error: 'EROFS' }, sparedPid: server.pid() })
  const { status, text } = await server.client.send(request.options)
  expect(faults.hits()).toBe(1)
  faults.disarm()
  expect([status, text.split('<Deleted>').length - 1]).toEqual([200, limits.deleteObjectsPerTransactionMax])
  const key = `marked-${limits.deleteObjectsPerTransactionMax}`
  expect(text).toContain(
    `<Error><Key>${key}</Key><Code>ServiceUnavailable</Code><Message>${fileSystemReadOnly}</Message></Error>`,
  )
  await untilEnded(server)
  expect(await server.terminate()).toBe(1)
  await server.start()
  await untilReady(server)
  expect((await markedCount()) - before).toBe(limits.deleteObjectsPerTransactionMax)
})

it('after all of it: no orphan is left, and rows, counters, log and files agree', async () => {
  const uploads = await server.client.send({
    method: 'GET',
    path: `/${mutationsBucket}`,
    query: { uploads: '' },
  })
  for (const [, path, uploadId = ''] of uploads.text.matchAll(/<Key>(.*?)<\/Key><UploadId>(.*?)</g))
    await server.client.send({ method: 'DELETE', path: `/${mutationsBucket}/${path}`, query: { uploadId } })
  expect(await server.terminate()).toBe(0)
  // Workers ended when their answers were out, not by an error that nobody took.
  expect(server.logs()).not.toMatch(/^Node\.js v\d/m)
  await server.start()
  await until('garbage is collected', () => isTidied(server.dataDirectory))
  const refused = mutations.filter(({ status }) => status === 403).length
  expect(await verifyVolume(server.dataDirectory, new Ledger())).toEqual([
    // The ledger knows of none: of those that met an error there is no record, of those that were done there is one.
    `${refused} refusals are recorded that nobody asked for`,
  ])
  expect(await server.terminate()).toBe(0)
  expect(await offlineFindings(server.dataDirectory)).toEqual([])
})
