/** Volumes that older releases wrote, one for each format: opened by this one as they are, and still writable. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLog } from '../../../src/lib/log.ts'
import { openOfflineVolume, openVolumeOwner } from '../../../src/server/open-volume.ts'
import { verifyChain } from '../../../src/store/audit-chain.ts'
import { metaKey } from '../../../src/store/keys.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { verifyVolume } from '../../../src/store/verify.ts'
import type { Finding } from '../../../src/store/verify-finding.ts'
import { VolumeFormatError, volumeFormat } from '../../../src/store/volume.ts'
import { actor, sealed, TestClock } from '../base/support.ts'
import { archiveOf, describeVolume } from './volume.ts'

const formats = Array.from({ length: volumeFormat }, (_, index) => index + 1)
const always = { ifMatch: null, ifNoneMatch: null }
const noLock = { retention: null, legalHold: null }
const description = { headers: {}, userMetadata: {}, tags: {}, checksum: null }

type Contents = Awaited<ReturnType<typeof describeVolume>>

for (const format of formats) {
  describe(`the golden volume of format ${format}`, () => {
    let directory: string
    let contents: Contents
    const clock = new TestClock()
    beforeEach(() => {
      const golden = archiveOf(format)
      directory = mkdtempSync(join(tmpdir(), 'holdfast-golden-'))
      const tar = spawnSync('tar', ['-xzf', golden.archive, '-C', directory])
      expect(tar.status).toBe(0)
      contents = JSON.parse(readFileSync(golden.contents, 'utf8'))
    })
    afterEach(() => rmSync(directory, { recursive: true }))

    async function verify(): Promise<readonly Finding[]> {
      const { kv, bodies, close } = await openOfflineVolume(directory)
      const findings: Finding[] = []
      await verifyVolume({ reader: kv, bodies, clock }, (finding) => findings.push(finding))
      await close()
      return findings
    }
    const open = () => openVolumeOwner({ directory, clock, log: silentLog })

    test('it is whole, and every bucket, version, lock and byte is what was written', async () => {
      expect(await verify()).toEqual([])
      const { store, close } = await open()
      const described = JSON.parse(JSON.stringify(await describeVolume(store)))
      await close()
      expect(described).toEqual(contents)
      expect(contents.buckets.flatMap(({ versions }) => versions)).toHaveLength(8)
    })

    test('its locks hold, it takes new versions, and its audit chain goes on', async () => {
      const { store, close } = await open()
      const versions = contents.buckets.flatMap(({ bucket, versions: own }) =>
        own.map((each) => ({ bucket, ...each })),
      )
      const retained = versions.filter(
        ({ version: { lock } }) => lock.kind === 'known' && lock.retention !== null,
      )
      expect(retained.length).toBeGreaterThan(3)
      for (const { bucket, version } of retained) {
        const address = { bucket: bucket.name, key: version.key, versionId: version.versionId }
        expect(await store.versions.delete(actor, { ...address, bypassGovernance: false })).toMatchObject({
          kind: 'denied',
        })
      }
      const staged = await store.versions.stage(new Blob(['new']).stream(), 3)
      const put = await store.versions.put(actor, {
        ...{ bucket: 'ledger', key: 'inline/locked', description, lock: noLock, precondition: always },
        content: { kind: 'staged', body: staged, etag: staged.md5 },
      })
      expect(put).toMatchObject({ kind: 'put' })
      await close()
      expect(await verify()).toEqual([])
      const { kv, close: closeOffline } = await openOfflineVolume(directory)
      const chain = await verifyChain(kv, { fromSequence: 1, to: 'head' })
      await closeOffline()
      expect(chain).toMatchObject({ kind: 'intact' })
      const appended = chain.kind === 'intact' ? chain.recordCount - (contents.head?.sequence ?? 0) : 0
      expect(appended).toBe(retained.length + 1)
    })

    test('the same volume of a format to come: refused by number, and nothing is written', async () => {
      const kv = await openLmdb({ directory: join(directory, 'kv') })
      const identity = await kv.get(metaKey('volume'))
      const text = Buffer.from(identity ?? []).toString('utf8', 8)
      const newer = sealed(metaKey('volume'), text.replace('"format":1', `"format":${volumeFormat + 1}`))
      expect(newer).not.toEqual(identity)
      await kv.transact(async (tx) => tx.put(metaKey('volume'), newer))
      await kv.close()
      const before = readFileSync(join(directory, 'kv/data.mdb'))
      const opening = open()
      await expect(opening).rejects.toThrow(VolumeFormatError)
      await expect(opening).rejects.toThrow(`this volume has format ${volumeFormat + 1}`)
      expect(readFileSync(join(directory, 'kv/data.mdb')).equals(before)).toBe(true)
    })
  })
}
