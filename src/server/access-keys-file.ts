import { readFileSync } from 'node:fs'
import type { AccessKey } from '../lib/identity.ts'
import type { Log } from '../lib/log.ts'
import { fileStamp } from '../platform/files.ts'
import { AccessKeysError, parseAccessKeys } from '../s3/auth/access-keys.ts'
import { S3Error } from '../s3/s3-error.ts'

type Loaded =
  | { readonly kind: 'keys'; readonly byId: ReadonlyMap<string, AccessKey> }
  | { readonly kind: 'invalid'; readonly reason: string }

/**
 * The keys of the `--access-keys` file, as it is now: each look-up compares the file's identity and times
 * (some µs), so a key that was taken out is refused by the next request of every worker. While the file is
 * missing or wrong, nobody of it is let in: the look-up throws ServiceUnavailable, and keys outside the file
 * go on.
 */
export function accessKeysFile(path: string, log: Log): () => ReadonlyMap<string, AccessKey> {
  let stamp = ''
  let loaded: Loaded = { kind: 'invalid', reason: 'it was not read yet' }
  return () => {
    const current = fileStamp(path)
    if (current !== stamp) {
      stamp = current
      loaded = load(path)
      if (loaded.kind === 'keys') log.info({ count: loaded.byId.size }, 'access keys read')
      else log.error({ reason: loaded.reason }, 'the access keys file is not usable; its keys are refused')
    }
    if (loaded.kind === 'invalid') {
      throw new S3Error('ServiceUnavailable', {
        message: 'The access keys of this server are not available.',
      })
    }
    return loaded.byId
  }
}

function load(path: string): Loaded {
  try {
    const keys = parseAccessKeys(readFileSync(path, 'utf8'))
    return { kind: 'keys', byId: new Map(keys.map((key) => [key.principal.accessKeyId, key])) }
  } catch (error) {
    if (error instanceof AccessKeysError) return { kind: 'invalid', reason: error.message }
    return { kind: 'invalid', reason: error instanceof Error ? error.message : 'it could not be read' }
  }
}
