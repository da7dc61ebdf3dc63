import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { CheckpointConfigMap } from '../../../src/operator/history/checkpoint-config-map.ts'
import type { KeptHead, NotedHead } from '../../../src/operator/history/volume-history.ts'
import { type KubeClient, type KubeRequest, KubeStatusError } from '../../../src/operator/kube.ts'
import { openCheckpoint, publicHalf, signCheckpoint } from '../../../src/store/checkpoint.ts'

type Data = Readonly<Record<string, string>>
type Sent = { readonly metadata: { readonly resourceVersion?: string }; readonly data: Data }
const folder = '/api/v1/namespaces/system/configmaps'
const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const publicKey = publicHalf(key)
const { signal } = new AbortController()

/** An API server with one ConfigMap. */
class FakeConfigMap implements KubeClient {
  readonly host = 'https://fake'
  data: Data | null = null
  #version = 1
  /** Runs before the next write is taken. */
  beforeWrite: () => void = () => undefined

  async send({ method, path, body }: KubeRequest): Promise<unknown> {
    expect(path).toBe(method === 'POST' ? folder : `${folder}/kept`)
    if (method === 'GET') {
      if (this.data === null) throw status(404)
      return { data: this.data, metadata: { resourceVersion: String(this.#version) } }
    }
    const meanwhile = this.beforeWrite
    this.beforeWrite = () => undefined
    meanwhile()
    const { metadata, data } = body as Sent
    const version = metadata.resourceVersion
    const isStale = method === 'POST' ? this.data !== null : version !== String(this.#version)
    if (isStale) throw status(409)
    this.write(data)
    return {}
  }

  write(data: Data): void {
    this.data = data
    this.#version += 1
  }

  watch(): AsyncGenerator<unknown, void, undefined> {
    throw new Error('nobody watches it')
  }
}

function status(code: number): KubeStatusError {
  return new KubeStatusError(code, { reason: 'Refused', message: `code ${code}`, retryAfterMs: null })
}

const head = (sequence: number): NotedHead => ({
  ...{ volumeId: 'volume-1', sequence, hash: String(sequence % 10).repeat(64), version: '1.0.0' },
  ...{ trustedMs: 1_700_000_000_000, wallMs: 1_700_000_000_000 },
})
const kept = (newest: NotedHead): KeptHead => ({ kind: 'kept', newest })
const always = () => true
const conflict = expect.objectContaining({ status: 409 })

function rigOf() {
  const client = new FakeConfigMap()
  const seal = {
    publicKey,
    sign: (noted: NotedHead) => signCheckpoint(noted, key),
    open: (line: string) => openCheckpoint(line, publicKey),
  }
  const options = {
    client,
    namespace: 'system',
    name: 'kept',
    metadata: { labels: {}, annotations: {} },
    seal,
  }
  const sequences = () =>
    (client.data?.['checkpoints'] ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => seal.open(line).sequence)
  return { client, store: new CheckpointConfigMap(options), sequences }
}

test('checkpoints: none, then one behind the other; what is read is what was written', async () => {
  const { client, store, sequences } = rigOf()
  const asked: KeptHead[] = []
  const ask = (found: KeptHead) => asked.push(found) > 0
  expect(await store.read(signal)).toEqual({ kind: 'none' })
  await store.add(head(1), ask, signal)
  await store.add(head(2), ask, signal)
  expect(asked).toStrictEqual([{ kind: 'none' }, kept(head(1))])
  expect(await store.read(signal)).toStrictEqual(kept(head(2)))
  expect(sequences()).toEqual([1, 2])
  expect(client.data?.['checkpoint.pub']).toBe(publicKey)
})

test('checkpoints: what is kept must not be followed: a conflict, and nothing is written', async () => {
  const { store, sequences } = rigOf()
  await store.add(head(1), always, signal)
  await expect(store.add(head(2), () => false, signal)).rejects.toEqual(conflict)
  expect(sequences()).toEqual([1])
})

test('checkpoints: another replica writes at the same moment, the first or a further one: a conflict, and its line stays', async () => {
  const { client, store, sequences } = rigOf()
  const line = (sequence: number) => ({ checkpoints: `${signCheckpoint(head(sequence), key)}\n` })
  for (const sequence of [7, 8]) {
    client.beforeWrite = () => client.write(line(sequence))
    await expect(store.add(head(2), always, signal)).rejects.toEqual(conflict)
    expect(sequences()).toEqual([sequence])
  }
})
