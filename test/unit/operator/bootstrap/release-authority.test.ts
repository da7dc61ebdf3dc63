import { describe, expect, test } from 'vitest'
import { ReleaseAuthority } from '../../../../src/operator/bootstrap/release-authority.ts'

const names = ['Holdfast-S3.backup.svc', '127.0.0.1', 'fd00::1']

describe('ReleaseAuthority', () => {
  test.each([
    ['https://holdfast-s3.backup.svc:9443', 'one'],
    ['https://127.0.0.1:1', 'one'],
    ['https://[fd00::1]/', 'one'],
    ['http://holdfast-s3.backup.svc:9000', null],
    ['https://s3.example.com', null],
  ])('%s: clients have to trust %s', (endpoint, authority) => {
    expect(new ReleaseAuthority('one', names).of(endpoint)).toBe(authority)
  })

  test('replaced: clients are told the new one alone, and a server of either is trusted', () => {
    const authority = new ReleaseAuthority('one', names)
    authority.seen('one')
    expect(authority.trusted).toBe('one')
    authority.seen('two')
    authority.seen('two')
    expect([authority.of('https://127.0.0.1'), authority.trusted]).toEqual(['two', 'twoone'])
  })
})
