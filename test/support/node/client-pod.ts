/** A client as users run them: a pod with the AWS SDK, root's key and the authority of the release. */
import { release } from '../chart.ts'

/** Runs inside; prints each version that it wrote as a line of JSON. */
const script = `
  import { createHash, randomBytes } from 'node:crypto'
  import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
  const client = new S3Client({ endpoint: process.env.ENDPOINT, region: 'us-east-1', forcePathStyle: true })
  for (const [bucket, key, sizeBytes] of JSON.parse(process.env.OBJECTS)) {
    const body = randomBytes(sizeBytes)
    const { VersionId } = await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }))
    const sha256 = createHash('sha256').update(body).digest('hex')
    console.log(JSON.stringify({ bucket, key, versionId: VersionId, sha256 }))
  }
`

type ClientObject = readonly [bucket: string, key: string, sizeBytes: number]

/** Fits the restricted standard. `image` has Node and the SDK: the product's own. */
export function clientPod(image: string, objects: readonly ClientObject[]): object {
  const { name, namespace } = release
  const key = (field: string) => ({
    name: field,
    valueFrom: { secretKeyRef: { name: `${name}-root`, key: field } },
  })
  const container = {
    name: 'client',
    image,
    imagePullPolicy: 'Never',
    command: ['node', '--input-type=module', '--eval', script],
    env: [
      key('AWS_ACCESS_KEY_ID'),
      key('AWS_SECRET_ACCESS_KEY'),
      { name: 'ENDPOINT', value: `https://${name}-s3.${namespace}.svc:9443` },
      { name: 'OBJECTS', value: JSON.stringify(objects) },
      { name: 'NODE_EXTRA_CA_CERTS', value: '/authority/ca.crt' },
    ],
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    volumeMounts: [{ name: 'authority', mountPath: '/authority' }],
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'client', namespace },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [container],
      volumes: [{ name: 'authority', configMap: { name: `${name}-ca` } }],
    },
  }
}
