/** I6: DeleteObjects is the fold of single deletes, however its list is ordered, split and repeated. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { conformance, listedVersions } from '../support/conformance.ts'

const bench = conformance()

const kinds = [
  'free',
  'COMPLIANCE',
  'GOVERNANCE',
  'hold',
  'marker',
  'current',
  'no such id',
  'malformed id',
] as const
type Kind = (typeof kinds)[number]
const keys = ['a', 'b', 'dir/', 'ключ'] as const

type Planned = { readonly kind: Kind; readonly key: string }
type Target = { readonly key: string; readonly versionId: string | null }

/** The same versions in a bucket of its own; gives the target of each. */
async function filled(plan: readonly Planned[]): Promise<{ bucket: string; targets: readonly Target[] }> {
  const bucket = await bench.bucket('locked')
  const targets: Target[] = []
  for (const { kind, key } of plan) targets.push(await target(bucket, kind, key))
  return { bucket, targets }
}

async function target(bucket: string, kind: Kind, key: string): Promise<Target> {
  switch (kind) {
    case 'current':
      return { key, versionId: null }
    case 'no such id':
      return { key, versionId: 'ABC' }
    case 'malformed id':
      return { key, versionId: 'a-b' }
    case 'marker': {
      const marked = await bench.send({ method: 'DELETE', path: `/${bucket}/${key}` })
      return { key, versionId: String(marked.headers['x-amz-version-id']) }
    }
    case 'free':
      return { key, versionId: await bench.put(bucket, key) }
    case 'hold': {
      const headers = { 'x-amz-object-lock-legal-hold': 'ON' }
      return { key, versionId: await bench.put(bucket, key, { headers }) }
    }
    default: {
      const headers = {
        'x-amz-object-lock-mode': kind,
        'x-amz-object-lock-retain-until-date': bench.inDays(9),
      }
      return { key, versionId: await bench.put(bucket, key, { headers }) }
    }
  }
}

async function singly(bucket: string, { key, versionId }: Target): Promise<string> {
  const query = versionId === null ? {} : { query: { versionId } }
  const answer = await bench.send({ method: 'DELETE', path: `/${bucket}/${key}`, ...query })
  return answer.status === 204 ? 'Deleted' : String(answer.code)
}

async function together(bucket: string, targets: readonly Target[]): Promise<readonly string[]> {
  const objects = targets.map(
    ({ key, versionId }) =>
      `<Object><Key>${key}</Key>${versionId === null ? '' : `<VersionId>${versionId}</VersionId>`}</Object>`,
  )
  const body = `<Delete>${objects.join('')}</Delete>`
  const answer = await bench.document({ method: 'POST', path: `/${bucket}`, query: { delete: '' }, body })
  expect(answer.status).toBe(200)
  return [...answer.text.matchAll(/<(Deleted|Error)>(.*?)<\/\1>/gs)].map(
    ([, kind = '', inner = '']) => /<Code>(.*?)</.exec(inner)?.[1] ?? kind,
  )
}

/** Which of the planned versions are left, by their places in the plan, and how many rows of which kind. */
async function left(bucket: string, targets: readonly Target[]): Promise<unknown> {
  const listed = listedVersions(
    await bench.send({ method: 'GET', path: `/${bucket}`, query: { versions: '' } }),
  )
  const ids = new Set(listed.map(({ versionId }) => versionId))
  const places = targets.flatMap(({ versionId }, place) => (ids.has(versionId ?? '') ? [place] : []))
  return [places, listed.map(({ kind, key }) => `${kind} ${key}`).sort()]
}

const planned = fc.record({ kind: fc.constantFrom(...kinds), key: fc.constantFrom(...keys) })
const scene = fc.array(planned, { minLength: 1, maxLength: 9 }).chain((plan) =>
  fc.record({
    plan: fc.constant(plan),
    /** Places in the plan, some of them more than once. */
    order: fc.shuffledSubarray([...plan.keys(), ...plan.keys()], { minLength: plan.length }),
    cuts: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
  }),
)

/** The long run looks for what is new; fast-check prints the seed of a failure. */
const isLong = process.env['HOLDFAST_LONG'] === '1'
const runs = isLong ? { numRuns: 300, seed: Date.now() % 2 ** 31 } : { numRuns: 12, seed: 20_261_122 }

describe('I6', () => {
  it(
    'I6: any list in any order, repeated and split, has the answers and the end of single deletes',
    async () => {
      await fc.assert(
        fc.asyncProperty(scene, async ({ plan, order, cuts }) => {
          const [one, whole, parts] = [await filled(plan), await filled(plan), await filled(plan)]
          const ordered = (targets: readonly Target[]) =>
            order.map((place) => targets[place] ?? { key: '', versionId: null })
          const answers: string[] = []
          for (const single of ordered(one.targets)) answers.push(await singly(one.bucket, single))
          expect(await together(whole.bucket, ordered(whole.targets))).toEqual(answers)
          const split: string[] = []
          const rest = [...ordered(parts.targets)]
          for (let index = 0; rest.length > 0; index += 1)
            split.push(...(await together(parts.bucket, rest.splice(0, cuts[index % cuts.length]))))
          expect(split).toEqual(answers)
          const end = await left(one.bucket, one.targets)
          expect(await left(whole.bucket, whole.targets)).toEqual(end)
          expect(await left(parts.bucket, parts.targets)).toEqual(end)
        }),
        runs,
      )
    },
    isLong ? 3_600_000 : 120_000,
  )
})
