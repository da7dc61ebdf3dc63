/** `holdfast standalone` with the bucket and the keys of a folder of examples/, and what its README uses. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ObjectVersion, S3 } from '@aws-sdk/client-s3'
import { onTestFinished } from 'vitest'
import { root, startStandalone } from '../standalone.ts'
import { clientEnvironment, type Outcome, runCommand } from './command.ts'
import type { Folder } from './folder.ts'

type ExampleKey = { readonly accessKeyId: string; readonly secretAccessKey: string }

export type ExampleStore = {
  readonly endpoint: string
  /** The first key of the example's access-keys.json, if it has one; else root's. */
  readonly key: ExampleKey
  /** Of a client, without a key. */
  readonly environment: Readonly<Record<string, string>>
  readonly rootEnvironment: Readonly<Record<string, string>>
  readonly bucket: string
  /** With root's key. */
  readonly s3: S3
  /** Keys that a delete marker hides. */
  readonly hiddenKeys: () => Promise<readonly string[]>
  readonly versions: () => Promise<readonly ObjectVersion[]>
  /** examples/undelete.sh with root's key. */
  readonly undelete: (prefix: string) => Promise<Outcome>
}

/** Started for one test and ended after it; resolves when the bucket is Ready. */
export async function exampleStore(example: string, folder: Folder): Promise<ExampleStore> {
  const source = join(root, 'examples', example)
  const directory = mkdtempSync(folder.path('store-'))
  mkdirSync(join(directory, 'manifests'))
  copyFileSync(join(source, 'bucket.yaml'), join(directory, 'manifests/bucket.yaml'))
  const keysFile = join(source, 'access-keys.json')
  const flags = existsSync(keysFile) ? ['--access-keys', keysFile] : []
  const server = startStandalone(directory, flags)
  const [said, bucket = ''] = await server.printed(
    /LockedBucket \S+: Ready\. Bucket (\S+), COMPLIANCE|NOT READ .*|REFUSED .*/,
  )
  if (bucket === '') throw new Error(said)
  const endpoint = server.endpoint()
  const rootKey = server.credentials()
  const home = clientEnvironment(folder.path('.'))
  // A pip package may be before Debian's AWS CLI in the PATH.
  const environment = { ...home, PATH: `/usr/bin:${home['PATH']}`, AWS_DEFAULT_REGION: 'us-east-1' }
  const rootEnvironment = {
    AWS_ACCESS_KEY_ID: rootKey.accessKeyId,
    AWS_SECRET_ACCESS_KEY: rootKey.secretAccessKey,
  }
  const s3 = new S3({
    endpoint,
    region: 'us-east-1',
    credentials: rootKey,
    forcePathStyle: true,
    maxAttempts: 1,
  })
  onTestFinished(() => s3.destroy())
  const listing = () => s3.listObjectVersions({ Bucket: bucket })
  const script = join(root, 'examples/undelete.sh')
  return {
    endpoint,
    key: existsSync(keysFile) ? firstKey(keysFile) : rootKey,
    environment,
    rootEnvironment,
    bucket,
    s3,
    hiddenKeys: async () =>
      ((await listing()).DeleteMarkers ?? []).filter(({ IsLatest }) => IsLatest).map(({ Key = '' }) => Key),
    versions: async () => (await listing()).Versions ?? [],
    undelete: (prefix) =>
      runCommand('sh', [script, bucket, prefix, '--endpoint-url', endpoint], {
        env: { ...environment, ...rootEnvironment },
        directory: folder.path('.'),
      }),
  }
}

function firstKey(path: string): ExampleKey {
  const [key] = JSON.parse(readFileSync(path, 'utf8')) as readonly ExampleKey[]
  if (key === undefined) throw new Error(`${path} has no key`)
  return key
}
