/**
 * The form of `<vendor>.pages.json`: what a vendor's page states, in the page's own words, and for each statement the
 * exchanges that show it. Texts may hold placeholders (placeholders.ts). An unknown field is an error.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { profileNames } from '../../../src/lib/profile.ts'

const text = z.string().min(1)
/** One text, or its lines as the page prints them. */
const lines = z
  .union([z.string(), z.array(z.string()).min(1)])
  .transform((given) => [given].flat().join('\n'))
const mode = z.enum(['GOVERNANCE', 'COMPLIANCE'])
/** `now+30d`: an anchor and a distance, as in placeholders. */
const instant = z.string().regex(/^\w+[+-]\d+(ms|s|h|d)$/)

/** The key that signs: all rights, all rights but one, or no signature at all. */
const signer = z.union([z.enum(['owner', 'none']), z.strictObject({ without: z.string().startsWith('s3:') })])

const requestSchema = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'MOVE']),
  /** As it goes on the wire; absolute-form where the page prints it. */
  target: text,
  /** In the page's letter case. `Date` signs by that date, and no x-amz-date is sent. */
  headers: z.record(text, z.string()).default({}),
  body: lines.optional(),
  signer: signer.default('owner'),
  /** Placeholder name -> `header:<name>` or `element:<Name>` of the answer. */
  capture: z.record(text, z.string().regex(/^(header|element):[\w-]+$/)).default({}),
})

const answerSchema = z.strictObject({
  /** More than one only where the sources leave the choice open. */
  status: z.union([z.int(), z.array(z.int()).min(2)]).transform((given) => [given].flat()),
  code: text.optional(),
  /** Exact, or `/regular expression/`. */
  message: text.optional(),
  /** Header -> exact value, `/regular expression/`, or null: not there. */
  headers: z.record(text, z.string().nullable()).default({}),
  /** Element -> its text; null: not there. */
  elements: z.record(text, z.string().nullable()).default({}),
  /** The whole document; white space between elements does not count. */
  document: lines.optional(),
  body: z.literal('empty').optional(),
})

const period = { days: z.int().positive().optional(), years: z.int().positive().optional() }
const key = text.default('{key}')

const afterwardsSchema = z.discriminatedUnion('kind', [
  /** The version holds this lock and keeps its bytes against every way of deleting it. `bytes`: left out, the bytes it was made of. */
  z.strictObject({
    kind: z.literal('locked'),
    version: text,
    mode,
    until: instant,
    key,
    bytes: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('held'), version: text, key, bytes: z.string().optional() }),
  /** Ordinary: no lock is shown, and a plain DELETE of the version removes it. */
  z.strictObject({ kind: z.literal('unlocked'), version: text, key }),
  /** The same for a version that is written now, without lock headers. */
  z.strictObject({ kind: z.literal('newVersionLocked'), mode, ...period }),
  z.strictObject({ kind: z.literal('newVersionUnlocked') }),
  z.strictObject({ kind: z.literal('exchange'), request: requestSchema, answer: answerSchema }),
  z.strictObject({ kind: z.literal('notLogged'), text }),
])

const setupSchema = z.strictObject({
  bucket: z.enum(['locked', 'enabled', 'unversioned', 'absent']).default('locked'),
  /** The page's own name; left out: one is drawn. */
  name: text.optional(),
  /** The inside of DefaultRetention. */
  rule: text.optional(),
  /** Written in this order, the last is current. Their names are placeholders for the version ids. */
  versions: z
    .array(
      z.strictObject({
        name: z.string().regex(/^\w+$/),
        key,
        mode: mode.optional(),
        until: instant.optional(),
        hold: z.literal('ON').optional(),
        headers: z.record(text, z.string()).default({}),
      }),
    )
    .default([]),
  /** Further requests, each answered 2xx. */
  requests: z.array(requestSchema).default([]),
})

const entrySchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/),
  /** Left out: all profiles of the file. */
  profiles: z.array(z.enum(profileNames)).min(1).optional(),
  /** Replayed at the file's `clockAt`, because the request prints dates; left out: today. */
  atPageClock: z.literal(true).optional(),
  /** What `{key}` stands for. */
  key: text.default('key'),
  setup: setupSchema.prefault({}),
  request: requestSchema,
  answer: answerSchema,
  afterwards: z.array(afterwardsSchema).default([]),
})

const statementSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]+$/),
  /** The page's own words. */
  sentence: text,
  /** What the page leaves open or says wrongly, and how it is read here. */
  reading: text.optional(),
  entries: z.array(entrySchema).default([]),
  /** Why there is nothing to replay. */
  notReplayed: text.optional(),
})

const pagesSchema = z.strictObject({
  vendor: text,
  page: text,
  profiles: z.array(z.enum(profileNames)).min(1),
  /** Below which buckets are hosts, as in the page's Host header. */
  domain: text.nullable(),
  /** The page's own clock: where the server's stands when the entries `atPageClock` come. */
  clockAt: z.iso.datetime().nullable(),
  /** Drawn names are this and a number. */
  bucketPrefix: text,
  statements: z.array(statementSchema).min(1),
})

export type PageRequest = z.infer<typeof requestSchema>
export type PageAnswer = z.infer<typeof answerSchema>
export type Afterwards = z.infer<typeof afterwardsSchema>
export type Setup = z.infer<typeof setupSchema>
export type Entry = z.infer<typeof entrySchema>
export type Pages = z.infer<typeof pagesSchema>

/** Errors: what the schema says, with the file's name; a rule of `problemsOf` that is broken. */
export function parsePages(name: string, document: string): Pages {
  const parsed = pagesSchema.safeParse(JSON.parse(document))
  if (!parsed.success) throw new Error(`${name}: ${z.prettifyError(parsed.error)}`)
  const problems = problemsOf(parsed.data)
  if (problems.length > 0) throw new Error(`${name}: ${problems.join('\n')}`)
  return parsed.data
}

/** Every `*.pages.json` of this folder by its file name, in order. */
export function allPages(): ReadonlyMap<string, Pages> {
  const names = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.pages.json'))
  return new Map(
    names
      .sort()
      .map((name) => [name, parsePages(name, readFileSync(join(import.meta.dirname, name), 'utf8'))]),
  )
}

/** What a schema cannot say: ids are one of a kind, nothing is stated without proof, and no success locks without a proof. */
function problemsOf(pages: Pages): readonly string[] {
  const entries = pages.statements.flatMap((statement) => statement.entries)
  const twice = [...repeated(pages.statements), ...repeated(entries)]
  const unproven = pages.statements.filter(
    ({ entries: shown, notReplayed }) => (shown.length === 0) !== (notReplayed !== undefined),
  )
  const halfLocked = entries.flatMap((entry) =>
    entry.setup.versions
      .filter((version) => (version.mode === undefined) !== (version.until === undefined))
      .map((version) => `${entry.id}: version ${version.name} has a mode or a date only`),
  )
  return [
    ...twice.map((id) => `${id} is there more than once`),
    ...unproven.map(({ id }) => `${id}: entries or a reason why there are none, one of the two`),
    ...entries.filter(locksWithoutProof).map(({ id }) => `${id}: it locks something and does not prove it`),
    ...halfLocked,
  ]
}

function repeated(named: readonly { readonly id: string }[]): readonly string[] {
  const ids = named.map(({ id }) => id)
  return ids.filter((id, index) => ids.indexOf(id) !== index)
}

const lockWords = /object-lock|<Retention|<LegalHold|<ObjectLockConfiguration/

/** A success that sets a lock must end with what became of a version. */
function locksWithoutProof({ request, answer, afterwards, setup }: Entry): boolean {
  const writes = request.method === 'PUT' || request.method === 'POST'
  const isSuccess = answer.status.some((status) => status < 300)
  const words = `${Object.keys(request.headers).join(' ').toLowerCase()} ${request.body ?? ''} ${request.target}`
  if (!writes || !isSuccess || !lockWords.test(words)) return false
  const guarded = setup.versions.some(({ mode: locked, hold }) => locked !== undefined || hold !== undefined)
  return !guarded && !afterwards.some(({ kind }) => kind !== 'exchange' && kind !== 'notLogged')
}
