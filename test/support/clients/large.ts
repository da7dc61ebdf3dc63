/** Large bodies that are never held as a whole: made, sent, read and compared piece by piece. */
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { SendOptions } from '../s3-client.ts'
import type { TestServer } from '../server.ts'

export const mebibyte = 1024 ** 2

export type LargeBody = {
  readonly sizeBytes: number
  readonly stream: (from?: number, sizeBytes?: number) => Readable
  /** Of the whole, in hexadecimal. */
  readonly sha256: () => string
}

/** No two mebibytes are alike: each begins with its number. `sizeBytes` in whole mebibytes. */
export function largeBody(sizeBytes: number): LargeBody {
  const block = randomBytes(mebibyte)
  const blockAt = (index: number) => {
    const copy = Buffer.from(block)
    copy.writeUInt32BE(index)
    return copy
  }
  function* blocks(from: number, length: number) {
    for (let offset = from; offset < from + length; offset += mebibyte) yield blockAt(offset / mebibyte)
  }
  return {
    sizeBytes,
    stream: (from = 0, length = sizeBytes) => Readable.from(blocks(from, length)),
    sha256: () => {
      const hash = createHash('sha256')
      for (const piece of blocks(0, sizeBytes)) hash.update(piece)
      return hash.digest('hex')
    },
  }
}

/** Sends the request with its body as a stream; resolves when the answer begins. */
export async function openStream(
  server: TestServer,
  options: SendOptions,
  body: LargeBody | null = null,
): Promise<IncomingMessage> {
  const wire = server.client.wire(options)
  const length = body === null ? {} : { 'content-length': String(body.sizeBytes) }
  const { hostname, port } = new URL(server.endpoint)
  const request = httpRequest({
    ...{ agent: false, host: hostname, port, method: wire.method, path: wire.target },
    headers: { ...wire.headers, ...length },
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
  })
  if (body === null) request.end()
  else await Promise.race([pipeline(body.stream(), request), answered])
  return answered
}

/** Every body file of a volume: path -> inode, size and time of its last change of content. */
export function bodyFiles(server: TestServer, folder: 'bodies' | 'stage'): ReadonlyMap<string, string> {
  const root = join(server.dataDirectory, folder)
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const { ino, size, mtimeMs } = statSync(path)
      return [path, `${ino} ${size} ${mtimeMs}`]
    }),
  )
}
