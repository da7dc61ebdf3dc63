/** Many clients at once against one server, up to a moment that a seed chooses. */
import type { TestServer } from '../server.ts'
import { buckets, chooseAction, toggleVersioning } from './actions.ts'
import type { Ledger } from './ledger.ts'
import { type ClientKey, digests, LoadClient } from './load-client.ts'
import { seededRandom } from './random.ts'
import { entriesUnder } from './verify-served.ts'

export type LoadOptions = {
  readonly server: TestServer
  readonly ledger: Ledger
  readonly keys: readonly ClientKey[]
  readonly seed: number
  readonly round: number
  /** So many requests are sent before `onMoment`, and so many after it. */
  readonly requestsBefore: number
  readonly requestsAfter: number
  /** Called once, at the moment, while every client is at work; the load goes on. */
  readonly onMoment: () => void
  /** True from the moment on when the clients are to hear nothing more; left out: they always hear. */
  readonly isCutOff?: () => boolean
}

/** Resolves when every client has its last answer, or knows that it gets none. */
export async function runLoad(options: LoadOptions): Promise<void> {
  const { server, ledger, keys, seed, round, requestsBefore, requestsAfter } = options
  const isCutOff = options.isCutOff ?? (() => false)
  let sentCount = 0
  const onSend = (): void => {
    sentCount += 1
    if (sentCount === requestsBefore) options.onMoment()
  }
  const run = async (key: ClientKey, index: number): Promise<void> => {
    const name = `c${index}`
    const random = seededRandom(seed * 1009 + round * 97 + index)
    const client = new LoadClient({ server, ledger, random, key, name, round, onSend, isCutOff })
    client.own.push(...entriesUnder(ledger, `${name}/`))
    for (let turn = 1; sentCount < requestsBefore + requestsAfter; turn += 1) {
      if (index === 0 && turn % 12 === 0) await toggleVersioning(client)
      else await chooseAction(client)(client)
    }
    client.close()
  }
  await Promise.all(keys.map(run))
}

/** The buckets of the load, made by the first key. */
export async function createBuckets(server: TestServer, key: ClientKey): Promise<void> {
  const send = async (path: string, query: Record<string, string>, rest: object): Promise<void> => {
    const answer = await server.client.send({ method: 'PUT', path, query, key, ...rest })
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text}`)
  }
  const withLock = { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } }
  await send(`/${buckets.locked}`, {}, withLock)
  await send(`/${buckets.ruled}`, {}, withLock)
  await send(`/${buckets.swing}`, {}, {})
  await send(`/${buckets.plain}`, {}, {})
  const versioning = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await send(`/${buckets.swing}`, { versioning: '' }, { body: versioning })
  const rule =
    '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>' +
    '<Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>'
  await send(
    `/${buckets.ruled}`,
    { 'object-lock': '' },
    { body: rule, headers: { 'content-md5': digests(Buffer.from(rule)).md5 } },
  )
}

/** Ends every upload that the load left open; returns how many there were. */
export async function endUploads(server: TestServer): Promise<number> {
  const path = `/${buckets.locked}`
  const page = await server.client.send({ method: 'GET', path, query: { uploads: '' } })
  const uploads = [...page.text.matchAll(/<Key>(.*?)<\/Key><UploadId>(.*?)<\/UploadId>/g)]
  for (const [, key, uploadId = ''] of uploads) {
    const answer = await server.client.send({ method: 'DELETE', path: `${path}/${key}`, query: { uploadId } })
    if (answer.status !== 204) throw new Error(`upload ${uploadId} is not aborted: ${answer.text}`)
  }
  return uploads.length
}
