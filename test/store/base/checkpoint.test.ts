import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { checkpointProblem } from '../../../src/cli/checkpoint.ts'
import { readAuditHead } from '../../../src/store/audit-chain.ts'
import { CheckpointKeyError, openCheckpoint, signCheckpoint } from '../../../src/store/checkpoint.ts'
import { CorruptRecordError } from '../../../src/store/fields.ts'
import { hex } from '../../../src/store/hex.ts'
import { logKey } from '../../../src/store/kv/chain.ts'
import { readVolume } from '../../../src/store/volume.ts'
import { openRig, putBytes } from './rig.ts'
import { engines, tampered } from './support.ts'

const facts = {
  volumeId: 'volume',
  sequence: 12,
  hash: 'a'.repeat(64),
  trustedMs: 1,
  wallMs: 2,
  version: '1.0.0',
}

function keys(type: 'ed25519' | 'ed448' = 'ed25519') {
  const pair = type === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ed448')
  return {
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  }
}

describe('checkpoint', () => {
  const { privateKey, publicKey } = keys()
  const line = signCheckpoint(facts, privateKey)

  test('a checkpoint: says what was signed, in this order', () => {
    expect(openCheckpoint(line, publicKey)).toEqual(facts)
    expect(Object.keys(JSON.parse(line))).toEqual(
      'v volumeId sequence hash trustedMs wallMs version keyId signature'.split(' '),
    )
  })

  test.each([
    ['sequence', 13],
    ['hash', 'b'.repeat(64)],
    ['volumeId', 'another'],
    ['trustedMs', 3],
    ['wallMs', 3],
    ['version', '2.0.0'],
    ['v', 2],
    ['keyId', 'c'.repeat(64)],
    ['signature', `${'A'.repeat(86)}==`],
    ['more', 1],
  ])('a checkpoint with another %s: is refused', (name, value) => {
    const changed = JSON.stringify({ ...JSON.parse(line), [name]: value })
    expect(() => openCheckpoint(changed, publicKey)).toThrow(CorruptRecordError)
  })

  test('a volume: goes through its own checkpoints, and not through one of another state of it', async () => {
    const [engine] = engines
    if (engine === undefined) throw new Error('there is an engine')
    const rig = await openRig(engine)
    try {
      const { volumeId } = await readVolume(rig.kv)
      const head = await readAuditHead(rig.kv)
      const own = { ...facts, volumeId, sequence: head.sequence, hash: hex(head.hash) }
      expect(await checkpointProblem(rig, own)).toBeNull()
      const missed = (words: string) => ({ kind: 'missed', sentence: expect.stringContaining(words) })
      const others = [
        [{ volumeId: 'another' }, 'it is of volume another'],
        [{ sequence: head.sequence + 1 }, 'the volume was set back'],
        [{ hash: facts.hash }, 'the log was written anew'],
      ] as const
      for (const [change, words] of others)
        expect(await checkpointProblem(rig, { ...own, ...change })).toEqual(missed(words))
      await putBytes(rig.versions, 'later', new Uint8Array(1))
      expect(await checkpointProblem(rig, own)).toBeNull()
      const kv = tampered(rig.kv, logKey('audit', head.sequence), (bytes) => {
        bytes[bytes.length - 20] = (bytes.at(-20) ?? 0) ^ 1
        return bytes
      })
      expect(await checkpointProblem({ kv }, own)).toEqual({
        kind: 'damaged',
        sentence: expect.stringContaining('the volume was not set back'),
      })
      expect(await checkpointProblem({ kv }, { ...own, hash: facts.hash })).toEqual(
        missed('the log was written anew'),
      )
    } finally {
      await rig.close()
    }
  })

  test('a checkpoint of another key, and no checkpoint, are refused', () => {
    expect(() => openCheckpoint(line, keys().publicKey)).toThrow('it is signed with another key')
    expect(() => openCheckpoint('{', publicKey)).toThrow('it is not JSON')
    for (const pem of ['no key', keys('ed448').publicKey])
      expect(() => openCheckpoint(line, pem)).toThrow(CheckpointKeyError)
    for (const pem of ['no key', publicKey, keys('ed448').privateKey])
      expect(() => signCheckpoint(facts, pem)).toThrow(CheckpointKeyError)
  })
})
