import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { rootKey } from '../../../src/s3/auth/access-keys.ts'
import { MasterKeyError, readMasterKey } from '../../../src/server/master-key.ts'
import { storedAccessKeys } from '../../../src/server/stored-access-keys.ts'
import type { FindAccessKeyResult } from '../../../src/store/access-keys.ts'

describe('master key file', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-master-key-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  test('readMasterKey: 32 bytes in base64, with a line end', () => {
    const path = join(directory, 'master.key')
    writeFileSync(path, `${Buffer.alloc(32, 3).toString('base64')}\n`)
    expect(readMasterKey(path).id).toMatch(/^[0-9a-f]{16}$/)
  })

  test('readMasterKey: anything else or no file, an error that names the file and shows nothing of it', () => {
    const path = join(directory, 'master.key')
    expect(() => readMasterKey(path)).toThrow(MasterKeyError)
    writeFileSync(path, 'c2VjcmV0LXRleHQ=')
    let message = ''
    try {
      readMasterKey(path)
    } catch (error) {
      if (error instanceof MasterKeyError) message = error.message
    }
    expect(message).toContain(path)
    expect(message).not.toContain('c2VjcmV0')
    expect(message).not.toContain('secret-text')
  })
})

describe('storedAccessKeys', () => {
  const answering = (answer: FindAccessKeyResult) => {
    const never = async () => {
      throw new Error('only looked up')
    }
    return storedAccessKeys({
      accessKeys: { find: async () => answer, put: never, delete: never, list: never },
    })
  }

  test('storedAccessKeys: a key, none, and one that cannot be opened is 503 and not unknown', async () => {
    const key = rootKey('HFKEY', 'secret-of-the-key')
    expect(await answering({ kind: 'found', key })('HFKEY')).toBe(key)
    expect(await answering({ kind: 'none' })('HFKEY')).toBeNull()
    await expect(answering({ kind: 'sealed' })('HFKEY')).rejects.toMatchObject({ code: 'ServiceUnavailable' })
  })
})
