import { describe, expect, test } from 'vitest'
import {
  contentOf,
  differsInAuthority,
  hasContent,
} from '../../../src/operator/controllers/bucket-access-secret.ts'
import { accessOf, bucketNames, first, heldOf } from './bucket-access-fixtures.ts'
import { info } from './locked-bucket-fixtures.ts'

const slots = { current: first, previous: null }
const held = heldOf(first).secret
const object = accessOf()
const wanted = (authority: string | null) => contentOf(slots, bucketNames, { info, authority }, null)
const withField = (value: string) => ({ ...held, data: { ...held.data, 'ca.crt': value } })

describe('the authority in a Secret', () => {
  test('none of ours: there is no ca.crt, and one that somebody added stays', () => {
    expect(wanted(null).data).not.toHaveProperty('ca.crt')
    expect(hasContent(withField('theirs'), object, wanted(null))).toBe(true)
    expect(differsInAuthority(withField('theirs'), object, wanted(null))).toBe(false)
  })

  test('ours: it is there in full, and any other one is a difference', () => {
    expect(wanted('ours').data['ca.crt']).toBe('ours')
    expect(hasContent(withField('ours'), object, wanted('ours'))).toBe(true)
    for (const other of [held, withField('former')]) {
      expect(hasContent(other, object, wanted('ours'))).toBe(false)
      expect(differsInAuthority(other, object, wanted('ours'))).toBe(true)
    }
  })

  test('a Secret in which more is wrong than the authority: no difference of the authority alone', () => {
    const spoilt = { ...held, data: { ...held.data, AWS_SECRET_ACCESS_KEY: 'another-secret' } }
    expect(differsInAuthority(spoilt, object, wanted('ours'))).toBe(false)
    expect(differsInAuthority(withField('ours'), object, wanted('ours'))).toBe(false)
  })
})
