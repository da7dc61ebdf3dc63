/**
 * A locked version survives every principal and every request, restarts, kill -9 during each of these, and a wall
 * clock that jumps ten years: same bytes, same metadata, same lock, same version id.
 */
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accessKey, listedVersions } from '../support/conformance.ts'
import { type Attack, type Attempt, attacks, type Principal, type Target } from '../support/crash/attacks.ts'
import { digests } from '../support/crash/load-client.ts'
import { killSupervisor, until, untilReady, workerPids } from '../support/crash/processes.ts'
import { seededRandom } from '../support/crash/random.ts'
import { expectSound } from '../support/crash/recovered.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import { operatorCredentials, startTestServer, type TestServer } from '../support/server.ts'

/** To play a failed run again, put the seed that it printed here. */
const seedToRepeat: number | null = null
const seed = seedToRepeat ?? randomInt(1_000_000)
const random = seededRandom(seed)
const hourMs = 3_600_000
const tenYearsMs = 10 * 365 * 24 * hourMs
const bucket = 'vault'

const owner = accessKey('owner', null)
const everything = { effect: 'Allow', actions: ['s3:*'], buckets: ['*'] }
const noBypass = { effect: 'Deny', actions: ['s3:BypassGovernanceRetention'], buckets: ['*'] }
const user = { ...accessKey('user', []), statements: [everything, noBypass] }
const principals: readonly Principal[] = [
  { name: 'root', key: null, mayBypass: true },
  { name: 'the owner of the account', key: owner, mayBypass: true },
  { name: 'a user with every permission but bypass', key: user, mayBypass: false },
  { name: 'the operator', key: operatorCredentials, mayBypass: false },
]

let server: TestServer
const targets: Target[] = []
const before = new Map<Target, unknown>()

/** As the owner; asserts 200. */
async function put(options: Omit<SendOptions, 'method'>): Promise<Answer> {
  const body = options.body ?? ''
  const headers = { 'content-md5': digests(Buffer.from(body)).md5, ...options.headers }
  const answer = await server.client.send({ method: 'PUT', key: owner, ...options, headers })
  expect([answer.status, options.path, answer.text]).toEqual([200, options.path, ''])
  return answer
}

function inHours(hours: number): string {
  return new Date(server.nowMs() + hours * hourMs).toISOString()
}

type NewTarget = {
  readonly kind: Target['kind']
  readonly mode?: string
  readonly hours?: number
  readonly hold?: 'ON'
}

async function addTarget({ kind, mode, hours, hold }: NewTarget): Promise<void> {
  const key = kind.replace(/\W+/g, '-')
  const retention =
    mode === undefined || hours === undefined
      ? {}
      : { 'x-amz-object-lock-mode': mode, 'x-amz-object-lock-retain-until-date': inHours(hours) }
  const legalHold = hold === undefined ? {} : { 'x-amz-object-lock-legal-hold': hold }
  const headers = { 'x-amz-meta-purpose': `evidence ${kind}`, ...retention, ...legalHold }
  // One body is a file, the others lie in the store.
  const body = Buffer.alloc(kind === 'COMPLIANCE' ? 200_000 : 2000, `${kind} `)
  const versionId = String(
    (await put({ path: `/${bucket}/${key}`, headers, body })).headers['x-amz-version-id'],
  )
  targets.push({ kind, bucket, key, versionId })
}

async function prepareTargets(): Promise<void> {
  await put({ path: `/${bucket}` })
  const nullHeaders = { 'x-amz-meta-purpose': 'evidence null version' }
  await put({ path: `/${bucket}/null-version`, headers: nullHeaders, body: 'from before versioning' })
  const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await put({ path: `/${bucket}`, query: { versioning: '' }, body: versioning })
  const rule =
    '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
  await put({ path: `/${bucket}`, query: { 'object-lock': '' }, body: rule })
  await addTarget({ kind: 'hold, retention expired', mode: 'COMPLIANCE', hours: 1, hold: 'ON' })
  server.advance(2 * hourMs)
  await addTarget({ kind: 'COMPLIANCE', mode: 'COMPLIANCE', hours: 30 * 24 })
  await addTarget({ kind: 'GOVERNANCE', mode: 'GOVERNANCE', hours: 30 * 24 })
  await addTarget({ kind: 'hold', hold: 'ON' })
  // What a jump of the wall clock may move without a witness is a day.
  await addTarget({ kind: 'short', mode: 'COMPLIANCE', hours: 26 })
  targets.push({ kind: 'null version', bucket, key: 'null-version', versionId: 'null' })
  const date = inHours(30 * 24)
  const retention = `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>${date}</RetainUntilDate></Retention>`
  const query = { retention: '', versionId: 'null' }
  await put({ path: `/${bucket}/null-version`, query, body: retention })
}

/** All that a client can see of a version. */
async function sightOf({ key, versionId }: Target): Promise<unknown> {
  const answer = await server.client.send({ method: 'GET', path: `/${bucket}/${key}`, query: { versionId } })
  const { headers, status, body } = answer
  const kept = Object.entries(headers).filter(([name]) =>
    /^(etag|last-modified|content-|x-amz-(meta|object-lock|version))/.test(name),
  )
  return { status, sha256: digests(body).sha256, headers: Object.fromEntries(kept.sort()) }
}

async function expectUnchanged(): Promise<void> {
  const listed = await server.client.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } })
  expect(listed.status).toBe(200)
  for (const target of targets) {
    const query = { versions: '', prefix: target.key }
    const versions = listedVersions(await server.client.send({ method: 'GET', path: `/${bucket}`, query }))
    const own = versions.filter(({ versionId }) => versionId === target.versionId)
    expect([target.kind, own.map(({ kind }) => kind)]).toEqual([target.kind, ['Version']])
    expect([target.kind, await sightOf(target)]).toEqual([target.kind, before.get(target)])
  }
}

function attemptOf(principal: Principal, target: Target): Attempt {
  const signed = principal.key === null ? {} : { key: principal.key }
  return {
    target,
    send: (options) => server.client.send({ ...options, ...signed }),
    nowMs: () => server.nowMs(),
  }
}

/** A principal that may bypass GOVERNANCE and says so is no attacker. */
function isAttack(attack: Attack, principal: Principal, { kind }: Target): boolean {
  return !(attack.needsBypass === true && principal.mayBypass && kind === 'GOVERNANCE')
}

/** Attempts without end, one principal and target after the other, until its connection breaks. */
async function attackUntilBroken(attack: Attack, isOver: () => boolean): Promise<void> {
  const combinations = principals.flatMap((principal) =>
    targets.filter((target) => isAttack(attack, principal, target)).map((target) => ({ principal, target })),
  )
  while (!isOver()) {
    const { principal, target } = random.pick(combinations)
    try {
      await attack.run(attemptOf(principal, target))
    } catch (error) {
      if (error instanceof Error && 'code' in error) return
      throw error
    }
  }
}

async function start(): Promise<void> {
  await server.start()
  await untilReady(server)
}

beforeAll(async () => {
  server = await startTestServer({ accessKeys: [owner, user] })
  await prepareTargets()
  for (const target of targets) before.set(target, await sightOf(target))
})
afterAll(async () => {
  await server.stop()
})

it('the targets: six kinds of lock, as S3 shows them', () => {
  const locks = targets.map((target) => [target.kind, before.get(target)])
  expect(targets).toHaveLength(6)
  for (const [kind, sight] of locks) expect([kind, sight]).toMatchObject([kind, { status: 200 }])
  const modes = targets.map(
    (target) => JSON.stringify(before.get(target)).match(/"(COMPLIANCE|GOVERNANCE|ON)"/)?.[1],
  )
  expect(modes.sort()).toEqual(['COMPLIANCE', 'COMPLIANCE', 'COMPLIANCE', 'GOVERNANCE', 'ON', 'ON'])
})

describe.each(principals)('$name', (principal) => {
  it.each(attacks)('$name: every locked version is unchanged', async (attack) => {
    // The operator may do nothing here, but a batch and a missing bucket permission are answered key by key.
    const isOperator = principal.name === 'the operator'
    const statuses = isOperator
      ? [403, ...attack.statuses.filter((status) => status === 200)]
      : attack.statuses
    for (const target of targets.filter((candidate) => isAttack(attack, principal, candidate))) {
      const answers = await attack.run(attemptOf(principal, target))
      for (const answer of answers)
        expect([answer.status, target.kind, answer.text, statuses.includes(answer.status)]).toEqual([
          answer.status,
          target.kind,
          answer.text,
          true,
        ])
    }
    await expectUnchanged()
  })
})

describe(`kill -9 during every attack, seed ${seed}`, () => {
  const victims = ['the whole group', 'one worker', 'the supervisor', 'the whole group'] as const

  async function kill(victim: (typeof victims)[number]): Promise<void> {
    switch (victim) {
      case 'the whole group':
        return server.kill9()
      case 'the supervisor':
        return killSupervisor(server)
      case 'one worker': {
        const [pid = 0] = workerPids(server)
        process.kill(pid, 'SIGKILL')
        return until('the worker is gone', () => !workerPids(server).includes(pid))
      }
    }
  }

  it.each(victims)('%s is killed: every locked version is unchanged', async (victim) => {
    let isOver = false
    const running = attacks.map((attack) => attackUntilBroken(attack, () => isOver))
    await delay(300 + random.below(300))
    await kill(victim)
    isOver = true
    await Promise.all(running)
    if (victim !== 'one worker') await server.start()
    await untilReady(server)
    await expectUnchanged()
    await expectSound(server)
    await start()
  })

  it('a stop in good order, killed: every locked version is unchanged', async () => {
    const stopped = server.terminate()
    await delay(random.below(50))
    await server.kill9()
    await stopped
    await start()
    await expectUnchanged()
    await expectSound(server)
    await start()
  })

  it('a start, killed: the next one finds every locked version unchanged', async () => {
    await server.kill9()
    const begun = server.start().catch(() => {})
    await delay(200 + random.below(1500))
    await server.kill9()
    await begun
    await start()
    await expectUnchanged()
    await expectSound(server)
    await start()
  })
})

describe('the clock', () => {
  const deletes = attacks.filter(({ name }) => /^(DELETE of|DeleteObjects)/.test(name))

  async function attackAll(): Promise<void> {
    for (const attack of deletes) {
      for (const principal of principals) {
        const open = targets.filter((target) => isAttack(attack, principal, target))
        await Promise.all(open.map((target) => attack.run(attemptOf(principal, target))))
      }
    }
    await expectUnchanged()
  }

  it('wall clock ten years ahead while it runs: unlocks nothing', async () => {
    server.setClock({ wallShiftMs: tenYearsMs })
    await attackAll()
  })

  it('wall clock ten years ahead, then a restart: unlocks nothing', async () => {
    await server.restart()
    await attackAll()
  })

  it('wall clock ten years ahead, then reboots and kill -9: unlocks nothing', async () => {
    for (const bootId of ['boot-2', 'boot-3']) {
      await server.kill9()
      server.setClock({ bootId, wallShiftMs: tenYearsMs })
      await start()
      await attackAll()
    }
  })

  it('wall clock back, then a restart: unlocks nothing', async () => {
    server.setClock({ wallShiftMs: 0 })
    await server.restart()
    await attackAll()
  })

  it('31 days that really pass: the retentions end, and the same DELETE removes what no hold keeps', async () => {
    server.advance(31 * 24 * hourMs)
    for (const target of targets) {
      const [attack] = deletes
      const isHeld = target.kind.startsWith('hold')
      for (const principal of principals.filter(({ name }) => name !== 'the owner of the account')) {
        const isOperator = principal.name === 'the operator'
        const answers = (await attack?.run(attemptOf(principal, target))) ?? []
        const statuses = answers.map(({ status }) => status)
        expect([target.kind, principal.name, statuses]).toEqual([
          target.kind,
          principal.name,
          [isHeld || isOperator ? 403 : 204],
        ])
      }
    }
    await expectSound(server)
  })
})
