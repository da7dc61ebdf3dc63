/** A bucket's lifecycle configuration as its document: the S3 surface writes it, the runner acts by it. */
import { limits } from '../lib/limits.ts'
import type { LifecycleExpiration, LifecycleFilter, LifecycleRule } from '../lock/lifecycle.ts'
import {
  corrupt,
  count,
  type Decode,
  flag,
  instant,
  listOf,
  nullable,
  oneOf,
  positive,
  shape,
  text,
} from './fields.ts'
import { type TextCodec, textCodec } from './text-codec.ts'

export const transitionDefaultMinimumObjectSizes = [
  'all_storage_classes_128K',
  'varies_by_storage_class',
] as const

export type LifecycleConfiguration = {
  readonly rules: readonly LifecycleRule[]
  /** Means something for transitions only, which there are none of: given back as it was put. */
  readonly transitionDefaultMinimumObjectSize: (typeof transitionDefaultMinimumObjectSizes)[number]
}

const filter: Decode<LifecycleFilter> = shape({
  form: oneOf('Prefix', 'Filter', 'And'),
  prefix: nullable(text),
  tags: listOf(shape({ key: text, value: text })),
  sizeGreaterThan: nullable(count),
  sizeLessThan: nullable(count),
})

/** Of 0 days would be at once: no document of ours says that, so one that does is damaged. */
const days: Decode<number> = (value, where) => {
  const number = positive(value, where)
  return number <= limits.lifecycleDaysMax ? number : corrupt(where, 'a number of days')
}

const expirations = {
  days: shape({ kind: oneOf('days'), days }),
  date: shape({ kind: oneOf('date'), dateMs: instant }),
  expiredObjectDeleteMarker: shape({ kind: oneOf('expiredObjectDeleteMarker'), isWanted: flag }),
} as const

const expiration: Decode<LifecycleExpiration> = (value, where) => {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined
  return expirations[oneOf('days', 'date', 'expiredObjectDeleteMarker')(kind, `${where}.kind`)](value, where)
}

const rule: Decode<LifecycleRule> = shape({
  id: text,
  status: oneOf('Enabled', 'Disabled'),
  filter,
  expiration: nullable(expiration),
  noncurrentVersionExpiration: nullable(
    shape({ noncurrentDays: days, newerNoncurrentVersions: nullable(positive) }),
  ),
  abortIncompleteMultipartUpload: nullable(shape({ daysAfterInitiation: days })),
})

export const lifecycleCodec: TextCodec<LifecycleConfiguration> = textCodec(
  'lifecycle',
  shape({
    rules: listOf(rule),
    transitionDefaultMinimumObjectSize: oneOf(...transitionDefaultMinimumObjectSizes),
  }),
)
