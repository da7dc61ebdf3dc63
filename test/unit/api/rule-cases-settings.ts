/** The cases of a LockedBucket's lifecycle, tags, quota and profile; see rule-cases.ts. */
import { type RuleCase, refused, schema } from './rule-words.ts'

type Expected = RuleCase['expected']
const whole = (settings: object): object => ({
  bucketName: 'ledger',
  retentionPolicyRef: { name: 'policy' },
  ...settings,
})

function settings(cases: readonly (readonly [string, object, Expected])[]): readonly RuleCase[] {
  return cases.map(([title, given, expected]) => {
    return { title, kind: 'LockedBucket', old: null, next: whole(given), expected }
  })
}

function lifecycles(cases: readonly (readonly [string, object, Expected])[]): readonly RuleCase[] {
  return settings(
    cases.map(([title, rule, expected]) => [
      `lifecycle, ${title}`,
      { lifecycle: { rules: [{ id: 'a', ...rule }] } },
      expected,
    ]),
  )
}

const rule = 'spec.lifecycle.rules[0]'
const expiration = { expiration: { days: 1 } }
const abort = { abortIncompleteMultipartUpload: { daysAfterInitiation: 1 } }
const tag = (key: string, value = ''): object => ({ key, value })
const filter = (fields: object, actions: object = expiration): object => ({ filter: fields, ...actions })

export const bucketSettings: readonly RuleCase[] = [
  ...settings([
    ['a profile', { profile: 'storj-preview' }, 'accepted'],
    ['a profile that is none', { profile: 'AWS' }, schema('spec.profile')],
    ['no checksum demanded', { requireChecksum: false }, 'accepted'],
    ['a quota in GiB', { quota: '500Gi' }, 'accepted'],
    ['a quota in bytes', { quota: '1' }, 'accepted'],
    ['the largest quota', { quota: '9007199254740991' }, 'accepted'],
    ['a quota beyond exact numbers', { quota: '8Pi' }, refused('QuantityRange', 'spec.quota')],
    ['a quota of nothing', { quota: '0' }, schema('spec.quota')],
    ['half a quota', { quota: '0.5Gi' }, schema('spec.quota')],
    ['a quota below zero', { quota: '-1' }, schema('spec.quota')],
    ['a quota that is a number', { quota: 5 }, schema('spec.quota')],
    ['a quota in milli', { quota: '1000m' }, schema('spec.quota')],
    ['tags', { tags: [tag('team', 'Ledger é 1'), tag('a')] }, 'accepted'],
    ['no tags', { tags: [] }, 'accepted'],
    ['a tag of the system', { tags: [tag('AWS:x')] }, refused('TagKeyReserved', 'spec.tags[0].key')],
    ['a tag without a name', { tags: [tag('')] }, schema('spec.tags[0].key')],
    ['a tag with a strange letter', { tags: [tag('a', '<')] }, schema('spec.tags[0].value')],
    ['a tag without a value', { tags: [{ key: 'a' }] }, schema('spec.tags[0].value')],
    ['a lifecycle without rules', { lifecycle: { rules: [] } }, 'accepted'],
    ['a lifecycle without a list', { lifecycle: {} }, schema('spec.lifecycle.rules')],
    [
      'two lifecycle rules of one id',
      {
        lifecycle: {
          rules: [
            { id: 'a', ...expiration },
            { id: 'a', ...abort },
          ],
        },
      },
      schema('spec.lifecycle.rules[1]'),
    ],
  ]),
  ...lifecycles([
    ['days', expiration, 'accepted'],
    ['a date', { expiration: { date: '2031-01-01' } }, 'accepted'],
    ['a day that is none', { expiration: { date: '2031-02-30' } }, schema(`${rule}.expiration.date`)],
    ['a date with a time', { expiration: { date: '2031-01-01T' } }, schema(`${rule}.expiration.date`)],
    ['no days', { expiration: { days: 0 } }, schema(`${rule}.expiration.days`)],
    [
      'days and a date',
      { expiration: { days: 1, date: '2031-01-01' } },
      refused('LifecycleExpirationOne', `${rule}.expiration`),
    ],
    ['an empty expiration', { expiration: {} }, refused('LifecycleExpirationOne', `${rule}.expiration`)],
    ['no action', { status: 'Disabled' }, refused('LifecycleRuleActs', rule)],
    ['no id', { id: '', ...expiration }, schema(`${rule}.id`)],
    [
      'noncurrent versions with some kept',
      { noncurrentVersionExpiration: { noncurrentDays: 30, newerNoncurrentVersions: 3 } },
      'accepted',
    ],
    [
      'noncurrent versions without days',
      { noncurrentVersionExpiration: { newerNoncurrentVersions: 3 } },
      schema(`${rule}.noncurrentVersionExpiration.noncurrentDays`),
    ],
    [
      'a whole filter',
      filter({ prefix: 'tmp/', tags: [tag('a')], objectSizeGreaterThan: 1, objectSizeLessThan: 2 }),
      'accepted',
    ],
    [
      'sizes the wrong way round',
      filter({ objectSizeGreaterThan: 2, objectSizeLessThan: 2 }),
      refused('LifecycleSizesOrdered', `${rule}.filter.objectSizeLessThan`),
    ],
    [
      'smaller than nothing',
      filter({ objectSizeLessThan: 0 }),
      refused('LifecycleSizesOrdered', `${rule}.filter.objectSizeLessThan`),
    ],
    ['uploads under a prefix', filter({ prefix: 'a' }, abort), 'accepted'],
    [
      'uploads with tags',
      filter({ tags: [tag('a')] }, abort),
      refused('LifecycleMarkerFilter', `${rule}.filter`),
    ],
    [
      'delete markers of a size',
      filter({ objectSizeLessThan: 5 }, { expiration: { expiredObjectDeleteMarker: true } }),
      refused('LifecycleMarkerFilter', `${rule}.filter`),
    ],
  ]),
]
