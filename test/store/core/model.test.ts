import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { epochMs } from '../../../src/lib/units.ts'
import type { DeleteObject, ListVersionsResult } from '../../../src/store/store.ts'
import { nullVersionId } from '../../../src/store/version-id.ts'
import { engines, lockRule } from '../base/support.ts'
import {
  type Address,
  canRemove,
  ModelBucket as Model,
  type ModelBucket,
  type ModelVersion,
} from './model.ts'
import { actor, dayInMs, openRig, type Rig, readText } from './rig.ts'
import { wrongCounts } from './rows.ts'

const bogusId = '1F0000000000000000000000000000ZZ'
const key = fc.constantFrom('a', 'dir/', 'ü')
const pick = fc.record({ of: fc.constantFrom('current', 'null', 'bogus', 'version'), index: fc.nat(5) })
const retention = fc.record({
  mode: fc.constantFrom('GOVERNANCE', 'COMPLIANCE'),
  offsetMs: fc.integer({ min: 1, max: 5 * dayInMs }),
})
const hold = fc.constantFrom('ON', 'OFF')
const bypass = fc.boolean()
const removal = fc.record({ key, pick, bypass })
const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('put'),
      key,
      retention: fc.option(retention),
      hold: fc.option(hold),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('delete'), key, pick, bypass }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('deleteMany'), removals: fc.array(removal, { maxLength: 8 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('putRetention'),
      key,
      pick,
      retention: fc.option(retention),
      bypass,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('putHold'), key, pick, hold }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('putTags'), key, pick, tag: fc.string() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('putVersioning'),
      status: fc.constantFrom('Enabled', 'Suspended'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('putLock'),
      rule: fc.option(
        fc.record({ mode: retention.map((r) => r.mode), days: fc.integer({ min: 1, max: 3 }) }),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass'), durationMs: fc.integer({ min: 0, max: 2 * dayInMs }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('passTo'),
      key,
      index: fc.nat(5),
      offsetMs: fc.integer({ min: -1, max: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'deleteBucket' } as const) },
)
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never

let runCount = 0

for (const engine of engines) {
  describe(`random histories on ${engine.name}`, () => {
    let rig: Rig
    beforeAll(async () => {
      rig = await openRig(engine)
    })
    afterAll(() => rig.close())

    test('a naive model: the same answers, versions, locks and counters after every history', {
      timeout: 120_000,
    }, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.boolean(),
          fc.array(command, { maxLength: 80, size: 'max' }),
          async (hasLock, commands) => {
            runCount += 1
            const history = new History(rig, `bucket-${runCount}`, hasLock)
            await history.begin()
            for (const each of commands) await history.run(each as Command)
            await history.check()
          },
        ),
        { numRuns: engine.name === 'memory' ? 80 : 30 },
      )
    })
  })
}

/** One bucket, driven in the store and in the model side by side. */
class History {
  readonly #rig: Rig
  readonly #bucket: string
  readonly #model: ModelBucket
  /** Version ids by the model's serial numbers. */
  readonly #ids = new Map<number, string>()

  constructor(rig: Rig, bucket: string, hasLock: boolean) {
    this.#rig = rig
    this.#bucket = bucket
    this.#model = new Model(hasLock)
  }

  async begin(): Promise<void> {
    const objectLock = this.#model.hasLock ? 'enabled' : 'none'
    const input = { name: this.#bucket, accountId: actor.accountId, region: 'r', objectLock } as const
    expect(await this.#rig.buckets.create(actor, input)).toMatchObject({ kind: 'created' })
  }

  async run(command: Command): Promise<void> {
    const { versions, buckets, clock } = this.#rig
    const bucket = this.#bucket
    const model = this.#model
    const nowMs = clock.wall
    switch (command.kind) {
      case 'put':
        return this.#put(command)
      case 'delete': {
        const [input] = this.#removals([command])
        if (input === undefined) throw new Error('one removal')
        const expected = model.delete(nowMs, command.key, this.#address(command), command.bypass)
        expect((await versions.delete(actor, input)).kind).toBe(expected)
        return this.#learn(command.key)
      }
      case 'deleteMany': {
        // The answers of a batch are those of a fold over it (I6).
        const inputs = this.#removals(command.removals)
        const addresses = command.removals.map((removal) => this.#address(removal))
        const answers = await versions.deleteMany(actor, inputs)
        const expected = command.removals.map((removal, index) =>
          model.delete(nowMs, removal.key, addresses[index] as Address, removal.bypass),
        )
        expect(answers.map(({ kind }) => kind)).toEqual(expected)
        for (const each of new Set(command.removals.map((removal) => removal.key))) await this.#learn(each)
        return
      }
      case 'putRetention': {
        const next = this.#retention(command.retention)
        const address = this.#address(command)
        const input = {
          bucket,
          key: command.key,
          versionId: this.#versionId(address),
          bypassGovernance: command.bypass,
        }
        const answer = await versions.putRetention(actor, { ...input, next: stored(next) })
        expect(answer.kind).toBe(
          model.putRetention(nowMs, command.key, address, { next, bypass: command.bypass }),
        )
        return
      }
      case 'putHold': {
        const address = this.#address(command)
        const input = {
          bucket,
          key: command.key,
          versionId: this.#versionId(address),
          next: command.hold as 'ON',
        }
        const answer = await versions.putLegalHold(actor, input)
        expect(answer.kind).toBe(model.putHold(command.key, address, command.hold as 'ON'))
        return
      }
      case 'putTags': {
        const address = this.#address(command)
        const tags = { t: command.tag }
        await versions.putTags(actor, { bucket, key: command.key, versionId: this.#versionId(address), tags })
        const found = model.find(command.key, address)
        if (typeof found !== 'string' && !found.isMarker) found.tags = tags
        return
      }
      case 'putVersioning': {
        const answer = await buckets.putVersioning(actor, bucket, command.status as 'Enabled')
        const isRefused = model.hasLock && command.status === 'Suspended'
        expect(answer.kind).toBe(isRefused ? 'objectLockPresent' : 'changed')
        if (!isRefused) model.versioning = command.status as 'Enabled'
        return
      }
      case 'putLock': {
        const rule = command.rule as ModelBucket['rule']
        const period = rule === null ? null : ({ unit: 'DAYS', count: rule.days } as const)
        const wanted = rule === null || period === null ? null : { mode: rule.mode, period }
        const answer = await buckets.putObjectLockConfiguration(actor, bucket, lockRule(wanted))
        const isRefused = model.versioning !== 'Enabled'
        expect(answer.kind).toBe(isRefused ? 'versioningNotEnabled' : 'changed')
        if (isRefused) return
        model.hasLock = true
        model.rule = rule
        return
      }
      case 'pass':
        clock.pass(command.durationMs)
        return
      case 'passTo': {
        const version = model.versions(command.key)[command.index]
        const targetMs = (version?.retention?.untilMs ?? 0) + command.offsetMs
        if (targetMs > nowMs) clock.pass(targetMs - nowMs)
        return
      }
      case 'deleteBucket': {
        const answer = await buckets.delete(actor, bucket)
        expect(answer.kind).toBe(model.isEmpty() ? 'deleted' : 'notEmpty')
        if (answer.kind !== 'deleted') return
        model.versioning = model.hasLock ? 'Enabled' : 'Unversioned'
        model.rule = null
        return this.begin()
      }
    }
  }

  async check(): Promise<void> {
    const { versions, buckets, kv, clock } = this.#rig
    const page = await versions.listVersions({
      bucket: this.#bucket,
      prefix: '',
      delimiter: '',
      maxKeys: 1000,
      keyMarker: null,
      versionIdMarker: null,
    })
    if (page.kind !== 'page') throw new Error(page.kind)
    const keys = [...this.#model.keys.keys()].sort()
    const expected = keys.flatMap((name) => this.#model.versions(name).map((version) => ({ name, version })))
    expect(summary(page)).toEqual(
      expected.map(({ name, version }) => ({
        key: name,
        isNull: version.isNull,
        isMarker: version.isMarker,
        isLatest: this.#model.versions(name)[0] === version,
        lock: { kind: 'known', retention: stored(version.retention), legalHold: version.hold },
        tags: version.isMarker ? null : version.tags,
      })),
    )
    for (const [index, { version }] of page.versions.entries()) {
      if (version.object === null) continue
      expect(await readText(versions, version)).toBe(expected[index]?.version.body)
    }
    await this.#checkCurrent(keys)
    const facts = await buckets.facts(this.#bucket)
    if (facts === null) throw new Error('the bucket is there')
    expect(await wrongCounts(kv, facts.bucket.id)).toEqual([])
    const objects = expected.filter(({ version }) => !version.isMarker).map(({ version }) => version)
    const locked = objects.filter((version) => !canRemove(version, clock.wall, false))
    expect(facts.lockedVersionCount).toBe(locked.length)
    const dates = objects.map((version) => version.retention?.untilMs ?? 0).filter((ms) => ms >= clock.wall)
    expect(facts.lockedUntilMs).toBe(dates.length === 0 ? null : Math.max(...dates))
    expect(facts.stat).toMatchObject({
      versionCount: objects.length,
      deleteMarkerCount: expected.length - objects.length,
      sizeBytes: objects.reduce((sum, version) => sum + Buffer.byteLength(version.body), 0),
      legalHoldCount: objects.filter((version) => version.hold === 'ON').length,
    })
  }

  async #checkCurrent(keys: readonly string[]): Promise<void> {
    const { versions } = this.#rig
    const bucket = this.#bucket
    const page = await versions.listCurrent({ bucket, prefix: '', delimiter: '', maxKeys: 1000, after: null })
    if (page.kind !== 'page') throw new Error(page.kind)
    const newest = keys.flatMap((name) => {
      const version = this.#model.versions(name)[0]
      return version === undefined || version.isMarker ? [] : [{ key: name, version }]
    })
    const listed = page.objects.map(({ key: name, current }) => [name, current.versionId, current.sizeBytes])
    expect(listed).toEqual(
      newest.map(({ key: name, version }) => [
        name,
        this.#ids.get(version.serial),
        Buffer.byteLength(version.body),
      ]),
    )
    for (const name of keys) {
      const read = await versions.read({ bucket, key: name, versionId: nullVersionId })
      const found = this.#model.find(name, { kind: 'null' })
      expect(read.kind).toBe(typeof found === 'string' ? 'noSuchVersion' : 'found')
    }
  }

  async #put(command: Extract<Command, { kind: 'put' }>): Promise<void> {
    const body = `${command.key} ${this.#rig.clock.wall} ${this.#ids.size}`
    const next = this.#retention(command.retention)
    const legalHold = command.hold as 'ON' | null
    const lock = { retention: stored(next), legalHold }
    const answer = await this.#rig.put({ bucket: this.#bucket, key: command.key, body, lock })
    const added = this.#model.put(this.#rig.clock.wall, command.key, body, {
      retention: next,
      hold: legalHold,
    })
    if (typeof added === 'string') {
      expect(answer.kind).toBe(added)
      return
    }
    if (answer.kind !== 'put') throw new Error(answer.kind)
    this.#ids.set(added.serial, answer.version.versionId)
  }

  /** Learns the ids of delete markers that the store chose. */
  async #learn(name: string): Promise<void> {
    const page = await this.#rig.versions.listVersions({
      bucket: this.#bucket,
      prefix: name,
      delimiter: '',
      maxKeys: 1000,
      keyMarker: null,
      versionIdMarker: null,
    })
    if (page.kind !== 'page') throw new Error(page.kind)
    const ids = page.versions
      .filter(({ version }) => version.key === name)
      .map(({ version }) => version.versionId)
    for (const [index, version] of this.#model.versions(name).entries()) {
      this.#ids.set(version.serial, ids[index] as string)
    }
  }

  #removals(
    removals: readonly { key: string; pick: { of: string; index: number }; bypass: boolean }[],
  ): DeleteObject[] {
    return removals.map((removal) => ({
      bucket: this.#bucket,
      key: removal.key,
      versionId: this.#versionId(this.#address(removal)),
      bypassGovernance: removal.bypass,
    }))
  }

  #address(command: { key: string; pick: { of: string; index: number } }): Address {
    const { of, index } = command.pick
    if (of === 'current' || of === 'null' || of === 'bogus') return { kind: of }
    const versions: readonly ModelVersion[] = this.#model.versions(command.key)
    const version = versions[index % Math.max(versions.length, 1)]
    return version === undefined ? { kind: 'bogus' } : { kind: 'version', serial: version.serial }
  }

  #versionId(address: Address): string | null {
    if (address.kind === 'current') return null
    if (address.kind === 'null') return nullVersionId
    return address.kind === 'bogus' ? bogusId : (this.#ids.get(address.serial) as string)
  }

  #retention(chosen: { mode: string; offsetMs: number } | null) {
    if (chosen === null) return null
    return { mode: chosen.mode as 'COMPLIANCE', untilMs: this.#rig.clock.wall + chosen.offsetMs }
  }
}

function stored(retention: ModelVersion['retention']) {
  return retention === null ? null : { mode: retention.mode, retainUntilMs: epochMs(retention.untilMs) }
}

function summary(page: Extract<ListVersionsResult, { kind: 'page' }>) {
  return page.versions.map(({ version, isLatest }) => ({
    key: version.key,
    isNull: version.isNull,
    isMarker: version.object === null,
    isLatest,
    lock: version.lock,
    tags: version.object?.tags ?? null,
  }))
}
