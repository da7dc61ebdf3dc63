/** The entrances by which a version comes into a bucket. */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { md5 } from '../support/conformance.ts'
import { formRequest } from '../support/form.ts'
import { completeXml } from '../support/multipart.ts'
import type { Answer, SendOptions } from '../support/s3-client.ts'
import type { Command, CopyCommand, PutCommand } from './commands.ts'
import type { ModelUpload } from './model-bucket.ts'
import type { Span } from './model-clock.ts'
import { credentialsOf, may } from './principals.ts'
import { judgeComplete, judgeNew, judgeStamp, refusals, refuseNewHeaders, refuseSource } from './verdicts.ts'
import { exchange, learnVersion, lockAsked, lockHeaders, pathOf, refusalOf, type World } from './world.ts'

const minuteMs = 60_000
const dayMs = 86_400_000

export async function runPut(world: World, command: PutCommand): Promise<void> {
  const { who, key, entrance } = command
  const bucket = world.bucket(command.bucket)
  const span = world.clock.now()
  const lock = lockAsked(command.lock, span.low)
  const { body, metadata, sha256 } = world.body(command.size)
  const headers = { 'content-md5': md5(body), 'x-amz-meta-model': metadata, ...lockHeaders(lock) }
  const form = {
    bucket: bucket.name,
    key: credentialsOf[who],
    nowMs: world.server.nowMs(),
    fields: { key, ...headers },
    file: body,
  }
  const request: SendOptions = { method: 'PUT', path: pathOf(bucket, key), headers, body }
  const answer = await exchange(world, {
    name: `put ${entrance}`,
    judge: (now) => refusalOf(judgeNew(bucket, who, { key, lock }, now)),
    send: () =>
      entrance === 'form'
        ? world.server.client.send(formRequest(form))
        : world.send(who, { ...request, sign: entrance, chunkBytes: 16_384 }),
    success: entrance === 'form' ? 204 : 200,
  })
  if (answer === null) return
  const stampAt = (now: typeof span.low) => judgeStamp(bucket, { key, lock }, now)
  await learnVersion(world, bucket, { key, sha256, metadata, answer, span: since(world, span), stampAt })
}

export async function runCopy(world: World, command: CopyCommand): Promise<void> {
  const { who, key } = command
  const bucket = world.bucket(command.bucket)
  const source = world.bucket(command.source)
  const { key: sourceKey, versionId } = source.address(command.pick)
  const found = source.find(sourceKey, versionId)
  const span = world.clock.now()
  const lock = lockAsked(command.lock, span.low)
  const { metadata } = world.body('small')
  const name = `/${source.name}/${encodeURIComponent(sourceKey)}`
  const headers = {
    'x-amz-copy-source': versionId === null ? name : `${name}?versionId=${versionId}`,
    'x-amz-metadata-directive': 'REPLACE',
    'x-amz-tagging-directive': 'REPLACE',
    'x-amz-meta-model': metadata,
    ...lockHeaders(lock),
  }
  const answer = await exchange(world, {
    name: 'copy',
    judge: (now) =>
      refuseNewHeaders(bucket, who, lock, now) ??
      refuseSource(source, who, versionId, found) ??
      refusalOf(judgeStamp(bucket, { key, lock }, now)),
    send: () => world.send(who, { method: 'PUT', path: pathOf(bucket, key), headers }),
    success: 200,
  })
  if (answer === null || typeof found === 'string') return
  const stampAt = (now: typeof span.low) => judgeStamp(bucket, { key, lock }, now)
  const written = { key, sha256: found.sha256, metadata, answer, span: since(world, span), stampAt }
  await learnVersion(world, bucket, written)
}

export async function runCreateUpload(
  world: World,
  command: Extract<Command, { kind: 'createUpload' }>,
): Promise<void> {
  const { who, key } = command
  const bucket = world.bucket(command.bucket)
  const { low } = world.clock.now()
  const lock = lockAsked(command.lock, low)
  const { body, metadata } = world.body('small')
  const headers = { 'x-amz-meta-model': metadata, ...lockHeaders(lock) }
  const answer = await exchange(world, {
    name: 'createUpload',
    judge: (now) => refusalOf(judgeNew(bucket, who, { key, lock }, now)),
    send: () =>
      world.send(who, { method: 'POST', path: pathOf(bucket, key), query: { uploads: '' }, headers }),
    success: 200,
  })
  if (answer === null) return
  world.uploads.push({
    role: command.bucket,
    key,
    uploadId: answer.element('UploadId') ?? '',
    metadata,
    body,
    ...lock,
    atCreate: bucket.lock?.status === 'Enabled' ? bucket.lock.retention : null,
    createdMs: low.requestMs,
    partEtag: null,
    state: { kind: 'open' },
  })
}

type UploadCommand = Extract<Command, { kind: 'uploadPart' | 'completeUpload' | 'abortUpload' }>

export async function runUpload(world: World, command: UploadCommand): Promise<void> {
  const upload = world.uploads.at(-1 - (command.index % Math.max(1, world.uploads.length)))
  if (upload === undefined) return
  switch (command.kind) {
    case 'uploadPart':
      return uploadPart(world, command, upload)
    case 'completeUpload':
      return completeUpload(world, command, upload)
    case 'abortUpload':
      return abortUpload(world, command, upload)
  }
}

async function uploadPart(world: World, { who }: UploadCommand, upload: ModelUpload): Promise<void> {
  const bucket = world.bucket(upload.role)
  const { key, uploadId, body } = upload
  const answer = await exchange(world, {
    name: 'uploadPart',
    judge: () => {
      if (!may(who, 's3:PutObject', bucket.policyName)) return refusals.denied
      return upload.state.kind === 'open' ? null : refusals.noSuchUpload
    },
    send: () =>
      world.document(who, {
        method: 'PUT',
        path: pathOf(bucket, key),
        query: { partNumber: '1', uploadId },
        body,
      }),
    success: 200,
  })
  if (answer !== null) upload.partEtag = String(answer.headers.etag)
}

async function completeUpload(world: World, { who }: UploadCommand, upload: ModelUpload): Promise<void> {
  const bucket = world.bucket(upload.role)
  const { key, uploadId, body, metadata } = upload
  const etag = upload.partEtag ?? '"d41d8cd98f00b204e9800998ecf8427e"'
  const send = (): Promise<Answer> =>
    world.send(who, {
      method: 'POST',
      path: pathOf(bucket, key),
      query: { uploadId },
      body: completeXml([{ partNumber: 1, etag }]),
    })
  const { state } = upload
  if (state.kind === 'completed' && bucket.all().includes(state.version)) {
    const isAllowed = may(who, 's3:PutObject', bucket.policyName)
    return completeAgain(world, state, { isAllowed, send })
  }
  const span = world.clock.now()
  const stampAt = (now: typeof span.low) => judgeComplete(bucket, who, upload, now)
  const asked = { name: 'completeUpload', send, success: 200 }
  const answer = await exchange(world, { ...asked, judge: (now) => refusalOf(stampAt(now)) })
  if (answer === null) return
  const sha256 = sha256Of(body)
  const written = { key, sha256, metadata, answer, span: since(world, span), stampAt }
  const version = await learnVersion(world, bucket, written)
  upload.state = { kind: 'completed', version, trustedMs: span.low.trustedMs }
}

/** The version that it made is the answer, for a day; then whether it is still remembered hangs on when garbage is collected. */
async function completeAgain(
  world: World,
  { version, trustedMs }: Extract<ModelUpload['state'], { kind: 'completed' }>,
  { isAllowed, send }: { readonly isAllowed: boolean; readonly send: () => Promise<Answer> },
): Promise<void> {
  const isRemembered = world.clock.now().high.trustedMs + minuteMs < trustedMs + dayMs
  const name = 'completeUpload again'
  const asked = { name, judge: () => (isAllowed ? null : refusals.denied), success: 200 }
  const first = isRemembered || !isAllowed ? null : await send()
  if (first?.status === 404) {
    expect(first.code).toBe(refusals.noSuchUpload.code)
    world.note(`${name} after a day 404`)
    return
  }
  const answer = await exchange(world, { ...asked, send: async () => first ?? (await send()) })
  if (answer !== null) expect(answer.headers['x-amz-version-id'] ?? 'null').toBe(version.versionId)
}

async function abortUpload(world: World, { who }: UploadCommand, upload: ModelUpload): Promise<void> {
  const bucket = world.bucket(upload.role)
  const { key, uploadId } = upload
  const answer = await exchange(world, {
    name: 'abortUpload',
    judge: () => {
      if (!may(who, 's3:AbortMultipartUpload', bucket.policyName)) return refusals.denied
      return upload.state.kind === 'open' ? null : refusals.noSuchUpload
    },
    send: () => world.send(who, { method: 'DELETE', path: pathOf(bucket, key), query: { uploadId } }),
    success: 204,
  })
  if (answer !== null) upload.state = { kind: 'aborted' }
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** From when the request was made to when it was answered. */
function since(world: World, { low }: Span): Span {
  return { low, high: world.clock.now().high }
}
