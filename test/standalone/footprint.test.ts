/** What a locked version takes on the disk. Prints it: docs/OPERATIONS.md says what is printed. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { conformance } from '../support/conformance.ts'
import { footprints } from '../support/footprint.ts'

const bench = conformance()
const clientCount = 16

/** Blocks that the file system has given to the folder and all below it, in bytes. */
function diskBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => statSync(join(entry.parentPath, entry.name)).blocks * 512)
    .reduce((sum, bytes) => sum + bytes, 0)
}

async function putAll(bucket: string, count: number, body: Buffer): Promise<void> {
  const clients = Array.from({ length: clientCount }, async (_, client) => {
    for (let number = client; number < count; number += clientCount) {
      await bench.put(bucket, `folder/${body.length}/object-${number}`, { body })
    }
  })
  await Promise.all(clients)
}

/** Pages that wait to be used again come and go with what else runs: more of the metadata than this is no such chance. */
const factor = 3

test.each(footprints)(
  'a locked version of $bodyBytes bytes: takes less than three times what is documented',
  async (row) => {
    const { bodyBytes, count, metadataKibibytes, fileKibibytes } = row
    const { dataDirectory } = bench.server()
    const [kv, bodies] = [join(dataDirectory, 'kv'), join(dataDirectory, 'bodies')]
    const bucket = await bench.bucket('locked', { rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    const before = [diskBytes(kv), diskBytes(bodies)] as const
    await putAll(bucket, count, Buffer.alloc(bodyBytes, 'body'))
    const metadata = (diskBytes(kv) - before[0]) / count / 1024
    const files = (diskBytes(bodies) - before[1]) / count / 1024
    const measured = `${metadata.toFixed(1)} KiB of metadata, ${files.toFixed(1)} KiB in a file`
    process.stdout.write(`${bodyBytes} bytes: ${measured} (${count} versions)\n`)
    expect(metadata).toBeLessThan(metadataKibibytes * factor)
    expect(files).toBeGreaterThanOrEqual(fileKibibytes)
    expect(files).toBeLessThanOrEqual(fileKibibytes * 1.05)
  },
)
