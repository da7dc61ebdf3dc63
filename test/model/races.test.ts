/**
 * Changes of a lock against removals of the same version, on two workers at once: for every version there is an order of the
 * requests in which each answer is the one that the rules give (I5). HOLDFAST_RACES says how many.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { epochMs } from '../../src/lib/units.ts'
import { decide } from '../../src/lock/rules.ts'
import type { LegalHoldStatus, LockRequest, Retention } from '../../src/lock/types.ts'
import { conformance, dayMs, md5 } from '../support/conformance.ts'
import { seededRandom } from '../support/crash/random.ts'
import { tellFigure } from '../support/long-figures.ts'
import { createS3Client, type S3TestClient, type SendOptions } from '../support/s3-client.ts'
import { lockIn } from './ledger.ts'
import { type Call, linearize } from './linearize.ts'

type Action =
  | { readonly kind: 'putRetention'; readonly next: Retention | null; readonly bypass: boolean }
  | { readonly kind: 'putHold'; readonly next: LegalHoldStatus }
  | { readonly kind: 'delete' | 'deleteMany'; readonly bypass: boolean }
  | { readonly kind: 'head' }

/** null: the version is not there. */
type State = { readonly retention: Retention | null; readonly hold: LegalHoldStatus | null } | null

const { HOLDFAST_SEED, HOLDFAST_RACES, HOLDFAST_LONG } = process.env
const raceCount = Number(HOLDFAST_RACES ?? (HOLDFAST_LONG === '1' ? 20_000 : 1000))
/** Refusals beyond ten a second are answered together after it: many races share that second. */
const racesAtOnce = 30
const startMs = Date.now()
const inDays = (days: number) => epochMs(startMs + days * dayMs)
const governance = (days: number): Retention => ({ mode: 'GOVERNANCE', retainUntilMs: inDays(days) })
const compliance = (days: number): Retention => ({ mode: 'COMPLIANCE', retainUntilMs: inDays(days) })
const set = (next: Retention | null, bypass = false): Action => ({ kind: 'putRetention', next, bypass })
const hold = (next: LegalHoldStatus): Action => ({ kind: 'putHold', next })
const remove = (bypass = false): Action => ({ kind: 'delete', bypass })
const removeMany = (bypass = false): Action => ({ kind: 'deleteMany', bypass })

type Race = {
  readonly name: string
  readonly initial: NonNullable<State>
  readonly actions: readonly Action[]
}
const free = { retention: null, hold: null }
const races: readonly Race[] = [
  { name: 'retention against delete', initial: free, actions: [set(compliance(2)), remove()] },
  { name: 'hold against delete', initial: free, actions: [hold('ON'), remove()] },
  {
    name: 'hold lifted against delete, twice',
    initial: { retention: null, hold: 'ON' },
    actions: [hold('OFF'), remove(), removeMany()],
  },
  {
    name: 'shorten against extend, and a delete between them',
    initial: { retention: governance(5), hold: null },
    actions: [set(governance(1), true), set(governance(9)), remove()],
  },
  {
    name: 'removal of the retention against its tightening, and a delete',
    initial: { retention: governance(5), hold: null },
    actions: [set(null, true), set(compliance(6), true), remove(), removeMany()],
  },
  {
    name: 'bypassed delete against COMPLIANCE and a hold',
    initial: { retention: governance(5), hold: null },
    actions: [set(compliance(5), true), hold('ON'), removeMany(true)],
  },
  {
    name: 'two extensions of COMPLIANCE',
    initial: { retention: compliance(3), hold: null },
    actions: [set(compliance(4)), set(compliance(8)), set(compliance(6))],
  },
]

function step(state: State, action: Action): { readonly state: State; readonly result: string } {
  if (action.kind === 'head') return { state, result: shown(state) }
  if (state === null) {
    const isDelete = action.kind === 'delete' || action.kind === 'deleteMany'
    return { state, result: isDelete ? 'done' : 'NoSuchVersion' }
  }
  const context = {
    nowMs: epochMs(startMs),
    requestMs: epochMs(startMs),
    bucketLock: 'Enabled',
    policyMode: null,
    bounds: { minimum: null, maximum: null },
  } as const
  const lock = { kind: 'known', retention: state.retention, legalHold: state.hold } as const
  if (decide(context, lock, requestOf(action)).kind === 'deny') return { state, result: 'AccessDenied' }
  return { state: after(state, action), result: 'done' }
}

type Change = Exclude<Action, { kind: 'head' }>

function requestOf(action: Change): LockRequest {
  switch (action.kind) {
    case 'putRetention':
      return { kind: 'PutObjectRetention', next: action.next, bypassGovernance: action.bypass }
    case 'putHold':
      return { kind: 'PutObjectLegalHold', next: action.next }
    case 'delete':
    case 'deleteMany':
      return { kind: 'DeleteObjectVersion', isDeleteMarker: false, bypassGovernance: action.bypass }
  }
}

function after(state: NonNullable<State>, action: Change): State {
  switch (action.kind) {
    case 'putRetention':
      return { ...state, retention: action.next }
    case 'putHold':
      return { ...state, hold: action.next }
    case 'delete':
    case 'deleteMany':
      return null
  }
}

function shown(state: State): string {
  return state === null ? 'NoSuchVersion' : JSON.stringify([state.retention, state.hold])
}

describe('linearize', () => {
  const call = (action: Action, result: string, from: number, to: number): Call<Action> => {
    return { action, result, invokedMs: from, returnedMs: to }
  }

  test('linearize: a lock that was acknowledged and a version that is gone all the same, no order is legal', () => {
    const lost = [call(set(compliance(2)), 'done', 0, 9), call(remove(), 'done', 1, 8)]
    expect(linearize<State, Action>(free, lost, step)).toBeNull()
  })

  test('linearize: one of the two wins, that order is found', () => {
    const wins = [call(remove(), 'AccessDenied', 0, 9), call(set(compliance(2)), 'done', 1, 8)]
    expect(linearize<State, Action>(free, wins, step)).toEqual([wins[1], wins[0]])
  })

  test('linearize: an answer that came before the other request began, that order is kept', () => {
    const late = [call(remove(), 'AccessDenied', 0, 3), call(set(compliance(2)), 'done', 4, 8)]
    expect(linearize<State, Action>(free, late, step)).toBeNull()
  })

  test('linearize: two extensions and the earlier date in the end, no order is legal', () => {
    const dates = [call(set(compliance(4)), 'done', 0, 9), call(set(compliance(8)), 'done', 0, 9)]
    const seen = { retention: compliance(4), hold: null }
    const calls = [...dates, call({ kind: 'head' }, shown(seen), 10, 11)]
    expect(linearize<State, Action>({ retention: compliance(3), hold: null }, calls, step)).toBeNull()
  })
})

describe('races on two workers', () => {
  const bench = conformance({ workerCount: 2 })
  /** One per worker. */
  const clients: S3TestClient[] = []
  let bucket = ''

  beforeAll(async () => {
    bucket = await bench.bucket('locked')
    const workers = new Set<string>()
    while (workers.size < 2) {
      const { endpoint, credentials } = bench.server()
      const client = createS3Client({ endpoint, credentials })
      const { headers } = await client.send({ method: 'HEAD', path: `/${bucket}` })
      const worker = String(headers['x-amz-id-2'])
      if (workers.has(worker)) client.close()
      else clients.push(client)
      workers.add(worker)
    }
  })
  afterAll(() => {
    for (const client of clients) client.close()
  })

  function requestFor(action: Action, key: string, versionId: string): SendOptions {
    const path = `/${bucket}/${key}`
    const headers = 'bypass' in action && action.bypass ? { 'x-amz-bypass-governance-retention': 'true' } : {}
    const document = (query: string, body: string): SendOptions => ({
      method: 'PUT',
      path,
      query: { [query]: '', versionId },
      body,
      headers: { 'content-md5': md5(body), ...headers },
    })
    switch (action.kind) {
      case 'putRetention':
        return document('retention', `<Retention>${retentionXml(action.next)}</Retention>`)
      case 'putHold':
        return document('legal-hold', `<LegalHold><Status>${action.next}</Status></LegalHold>`)
      case 'delete':
        return { method: 'DELETE', path, query: { versionId }, headers }
      case 'deleteMany': {
        const body = `<Delete><Object><Key>${key}</Key><VersionId>${versionId}</VersionId></Object></Delete>`
        const checked = { 'content-md5': md5(body), ...headers }
        return { method: 'POST', path: `/${bucket}`, query: { delete: '' }, body, headers: checked }
      }
      case 'head':
        return { method: 'GET', path, query: { versionId } }
    }
  }

  async function send(
    action: Action,
    target: Target,
    client: S3TestClient | undefined,
  ): Promise<Call<Action>> {
    const request = requestFor(action, target.key, target.versionId)
    const invokedMs = performance.now()
    const answer = await (client ?? bench.server().client).send(request)
    const returnedMs = performance.now()
    const { retention, hold: status } = lockIn(answer)
    const code = answer.element('Code')
    const isRead = action.kind === 'head' && code === null
    const lock = retention === null ? null : { ...retention, retainUntilMs: epochMs(retention.retainUntilMs) }
    const result = isRead ? shown({ retention: lock, hold: status }) : (code ?? 'done')
    return { action, result, invokedMs, returnedMs }
  }

  /** Resolves to the order that was found, first to last. */
  async function run(race: Race, key: string, order: readonly Action[]): Promise<readonly Call<Action>[]> {
    const { retention, hold: status } = race.initial
    const headers = {
      ...(retention === null
        ? {}
        : {
            'x-amz-object-lock-mode': retention.mode,
            'x-amz-object-lock-retain-until-date': new Date(retention.retainUntilMs).toISOString(),
          }),
      ...(status === null ? {} : { 'x-amz-object-lock-legal-hold': status }),
    }
    const target = { key, versionId: await bench.put(bucket, key, { headers }) }
    const calls = await Promise.all(
      order.map((action, index) => send(action, target, clients[index % clients.length])),
    )
    const last = await send({ kind: 'head' }, target, undefined)
    const found = linearize<State, Action>(race.initial, [...calls, last], step)
    expect(found, `${race.name}: no legal order of ${JSON.stringify([...calls, last])}`).not.toBeNull()
    return found ?? []
  }

  const seed = Number(HOLDFAST_SEED?.split(':')[0] ?? startMs % 2 ** 31)

  test.each(races)(
    'Object Lock: $name, there is an order in which every answer is right',
    {
      timeout: Math.max(240_000, raceCount * 100),
    },
    async (race) => {
      const random = seededRandom(seed)
      const count = Math.ceil(raceCount / races.length)
      const firsts = new Set<string>()
      for (let start = 0; start < count; start += racesAtOnce) {
        const batch = Array.from({ length: Math.min(racesAtOnce, count - start) }, (_, index) => {
          const order = shuffled(race.actions, random)
          return run(race, `${race.name}-${start + index}`, order)
        })
        for (const found of await Promise.all(batch)) firsts.add(JSON.stringify(found[0]?.action))
      }
      tellFigure('races', count)
      process.stdout.write(`races: ${count} of ${race.name}, HOLDFAST_SEED=${seed}\n`)
      // A handful may all go the same way.
      const isMany = count >= 50
      expect(firsts.size, 'who comes first is not always the same').toBeGreaterThan(isMany ? 1 : 0)
    },
  )
})

type Target = { readonly key: string; readonly versionId: string }

function retentionXml(next: Retention | null): string {
  if (next === null) return ''
  const date = new Date(next.retainUntilMs).toISOString()
  return `<Mode>${next.mode}</Mode><RetainUntilDate>${date}</RetainUntilDate>`
}

function shuffled<T>(items: readonly T[], random: ReturnType<typeof seededRandom>): readonly T[] {
  const left = [...items]
  return items.flatMap(() => left.splice(random.below(left.length), 1))
}
