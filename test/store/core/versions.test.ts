import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { engines } from '../base/support.ts'
import { actor, openRig, type Rig, readText } from './rig.ts'

for (const engine of engines) {
  describe(`versions on ${engine.name}`, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await openRig(engine)
    })
    afterEach(() => rig.close())

    async function bucket(objectLock: 'enabled' | 'none' = 'enabled'): Promise<void> {
      await rig.buckets.create(actor, { name: 'ledger', accountId: actor.accountId, region: 'r', objectLock })
    }

    test('put: an object, read back with its bytes and lock', async () => {
      await bucket()
      const retention = { mode: 'COMPLIANCE', retainUntilMs: rig.inDays(30) } as const
      const result = await rig.put({ key: 'a', body: 'hello', lock: { retention, legalHold: 'ON' } })
      if (result.kind !== 'put') throw new Error(result.kind)
      const read = await rig.versions.read({
        bucket: 'ledger',
        key: 'a',
        versionId: result.version.versionId,
      })
      if (read.kind !== 'found') throw new Error(read.kind)
      expect(read.version).toEqual(result.version)
      expect(read.version.lock).toEqual({ kind: 'known', retention, legalHold: 'ON' })
      expect(await readText(rig.versions, read.version)).toBe('hello')
    })
  })
}
