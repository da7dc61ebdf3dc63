import { describe, expect, it } from 'vitest'
import type { ProfileName } from '../../../src/lib/profile.ts'
import { accessKey, conformance, type TestKey } from '../../support/conformance.ts'
import { allPages, type Entry, type PageRequest, type Pages, parsePages } from './fixture.ts'
import { pageClient } from './page-client.ts'
import { replayEntry } from './replay.ts'

/** The account that the pages print. */
const account = '123456789012'
const owner = accessKey('owner', null, account)
const files = allPages()

/** A key with every right but this one. */
function keyWithout(action: string): TestKey {
  const key = accessKey(`without-${action}`, ['*'], account)
  const denied = { effect: 'Deny', actions: [action], buckets: ['*'] }
  return { ...key, statements: [...(key.statements ?? []), denied] }
}

function withheldActions(): readonly string[] {
  const text = JSON.stringify([...files.values()])
  const found = [...text.matchAll(/"without":"([^"]+)"/g)].map(([, action = '']) => action)
  return [...new Set(['s3:BypassGovernanceRetention', ...found])]
}

const keysWithout = new Map(withheldActions().map((action) => [action, keyWithout(action)]))

function credentialsOf(signer: PageRequest['signer']) {
  if (signer === 'none') return null
  return signer === 'owner' ? owner : (keysWithout.get(signer.without) ?? null)
}

/** `page`: at the instant that the page's dates belong to. */
type ClockKind = 'today' | 'page'
type Run = { readonly pages: Pages; readonly profile: ProfileName; readonly clock: ClockKind }

function belongs(entry: Entry, { profile, clock }: Run): boolean {
  const speaks = entry.profiles === undefined || entry.profiles.includes(profile)
  return speaks && (entry.atPageClock === true) === (clock === 'page')
}

function replayPages(run: Run): void {
  const { pages, profile, clock } = run
  const bench = conformance({
    accessKeys: [owner, ...keysWithout.values()],
    workerCount: 1,
    defaultProfile: profile,
    ...(pages.domain === null ? {} : { domain: pages.domain }),
    ...(clock === 'page' ? { startsAtMs: Date.parse(pages.clockAt ?? '') } : {}),
  })
  const client = pageClient(bench.server, credentialsOf)
  let drawn = 100
  const nextName = () => {
    drawn += 1
    return `${pages.bucketPrefix}${drawn}`
  }
  for (const { entries, sentence } of pages.statements) {
    for (const entry of entries.filter((one) => belongs(one, run))) {
      it(`${entry.id}: ${sentence}`, () =>
        replayEntry(entry, { pages, bench, client, owner: account, nextName }))
    }
  }
}

for (const [name, pages] of files) {
  for (const profile of pages.profiles) {
    describe(`${name}, profile ${profile}`, () => replayPages({ pages, profile, clock: 'today' }))
  }
  if (pages.clockAt !== null) {
    for (const profile of pages.profiles) {
      describe(`${name}, profile ${profile}, at ${pages.clockAt}`, () =>
        replayPages({ pages, profile, clock: 'page' }))
    }
  }
}

/** Statements of each file, counted on the vendor's page: whoever takes one out must say so here. */
const statementCounts: Readonly<Record<string, number>> = {
  'obs.pages.json': 29,
  'qstorage.pages.json': 27,
  'storj.pages.json': 18,
  'wasabi.pages.json': 11,
  'yandex.pages.json': 17,
}

describe('the fixtures of the pages', () => {
  it('files: every vendor has its own, with every statement of its page', () => {
    const counted = [...files].map(([name, { statements }]) => [name, statements.length])
    expect(Object.fromEntries(counted)).toEqual(statementCounts)
  })

  it('loader: an unknown field is an error that names its place', () => {
    const [name = '', pages] = [...files][0] ?? []
    const misspelt = JSON.stringify({ ...pages, clock: null })
    expect(() => parsePages(name, misspelt)).toThrow(/Unrecognized key: "clock"/)
  })

  it('loader: a success that locks something and proves nothing is an error', () => {
    const entry = {
      id: 'unproven',
      request: { method: 'PUT', target: '/{bucket}?object-lock', body: '<ObjectLockConfiguration/>' },
      answer: { status: 200 },
    }
    const statement = { id: 'statement', sentence: 'It locks.', entries: [entry] }
    const [name = '', pages] = [...files][0] ?? []
    expect(() => parsePages(name, JSON.stringify({ ...pages, statements: [statement] }))).toThrow(
      'unproven: it locks something and does not prove it',
    )
  })
})

describe('the replay itself', () => {
  const bench = conformance({ accessKeys: [owner, ...keysWithout.values()], workerCount: 1 })
  const client = pageClient(bench.server, credentialsOf)
  const [pages] = files.values()
  let drawn = 0
  const nextName = () => {
    drawn += 1
    return `replay-${drawn}`
  }

  /** Replays an entry that is written here, in profile aws. */
  function replay(entry: object): Promise<void> {
    const statement = { id: 'statement', sentence: 'It says so.', entries: [{ id: 'entry', ...entry }] }
    const parsed = parsePages('here', JSON.stringify({ ...pages, statements: [statement] }))
    const [only] = parsed.statements.flatMap(({ entries }) => entries)
    if (only === undefined) throw new Error('there is no entry')
    return replayEntry(only, { pages: parsed, bench, client, owner: account, nextName })
  }
  const written = { versions: [{ name: 'v1' }] }
  const read = { method: 'GET', target: '/{bucket}/{key}' }
  const lock = { kind: 'locked', version: 'v1', mode: 'COMPLIANCE', until: 'now+2d' }

  it('a right answer over a version without a lock fails', async () => {
    const entry = { setup: written, request: read, answer: { status: 200 }, afterwards: [lock] }
    await expect(replay(entry)).rejects.toThrow(/expected \[ 204, null \] to deeply equal \[ 403/)
  })

  it('a lock of another mode or another date than the page says fails', async () => {
    const version = { name: 'v1', mode: 'GOVERNANCE', until: 'now+2d' }
    const answered = { setup: { versions: [version] }, request: read, answer: { status: 200 } }
    const modes = replay({ ...answered, afterwards: [lock] })
    await expect(modes).rejects.toThrow(/expected \[ 'GOVERNANCE', \d+ \] to deeply equal \[ 'COMPLIANCE'/)
    const dates = replay({ ...answered, afterwards: [{ ...lock, mode: 'GOVERNANCE', until: 'now+3d' }] })
    await expect(dates).rejects.toThrow(/expected \[ 'GOVERNANCE', \d+ \] to deeply equal \[ 'GOVERNANCE'/)
  })

  it('another status, code or document than the page says fails', async () => {
    await expect(replay({ setup: written, request: read, answer: { status: 404 } })).rejects.toThrow('200')
    const missing = { request: read, answer: { status: 404, code: 'NoSuchVersion' } }
    await expect(replay(missing)).rejects.toThrow(/NoSuchKey/)
    const configuration = { method: 'GET', target: '/{bucket}?object-lock' }
    const answer = { status: 200, document: '<ObjectLockConfiguration/>' }
    await expect(replay({ request: configuration, answer })).rejects.toThrow(/expected '<\?xml version/)
  })
})
