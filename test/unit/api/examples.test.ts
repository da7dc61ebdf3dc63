import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseManifest } from '../../../src/api/manifest.ts'
import { parseYaml } from '../../../src/operator/sources/yaml.ts'
import { parseAccessKeys } from '../../../src/s3/auth/access-keys.ts'

const root = join(import.meta.dirname, '../../..')
const files = globSync('examples/**/*.yaml', { cwd: root }).sort()
const read = (path: string) => readFileSync(join(root, path), 'utf8')

function objectsOf(path: string): readonly { readonly apiVersion?: string; readonly kind?: string }[] {
  const parsed = parseYaml(read(path))
  if (parsed.kind === 'bad') throw new Error(`${path}: ${parsed.message}`)
  return JSON.parse(JSON.stringify(parsed.documents))
}

describe('examples', () => {
  test('manifests: what is ours is valid', () => {
    const ours = files.flatMap((path) =>
      objectsOf(path)
        .filter(({ apiVersion }) => apiVersion?.startsWith('holdfast.dev/'))
        .map((object) => ({ path, object, parsed: parseManifest(object) })),
    )
    expect(ours.length).toBeGreaterThan(10)
    for (const { path, parsed } of ours) expect(parsed, path).toMatchObject({ kind: 'manifest' })
  })

  test('bucket.yaml of a tool: one policy and one bucket under it, freed by lifecycle when the lock is over', () => {
    const paths = files.filter((path) =>
      /^examples\/(restic|kopia|velero|cloudnative-pg)\/bucket\.yaml$/.test(path),
    )
    expect(paths).toHaveLength(4)
    for (const path of paths) {
      const [policy, bucket] = objectsOf(path)
      expect(policy, path).toMatchObject({ spec: { defaultRetention: { mode: 'COMPLIANCE' } } })
      expect(bucket, path).toMatchObject({
        spec: {
          retentionPolicyRef: { name: Reflect.get(Reflect.get(policy ?? {}, 'metadata'), 'name') },
          lifecycle: {
            rules: expect.arrayContaining([
              { id: 'free-what-was-deleted', noncurrentVersionExpiration: { noncurrentDays: 1 } },
            ]),
          },
        },
      })
    }
  })

  test('access-keys.json: the server takes it, and the key may delete nothing but the tool’s own locks', () => {
    const [key, ...others] = parseAccessKeys(read('examples/restic/access-keys.json'))
    expect(others).toEqual([])
    const statements = key?.principal.kind === 'user' ? (key.principal.statements ?? []) : []
    const removing = statements.filter(({ actions }) =>
      actions.some((action) => !/^s3:(Get|List|Put)Obj|^s3:(Get|List)Bucket/.test(action)),
    )
    expect(removing).toMatchObject([{ actions: ['s3:DeleteObject'], prefixes: ['host1/locks/'] }])
  })

  test('access-keys.json of kopia: the server takes it, and the key may destroy no version', () => {
    const [key, ...others] = parseAccessKeys(read('examples/kopia/access-keys.json'))
    expect(others).toEqual([])
    const statements = key?.principal.kind === 'user' ? (key.principal.statements ?? []) : []
    const actions = statements.flatMap((statement) => statement.actions)
    expect(actions).toContain('s3:PutObjectRetention')
    expect(actions.filter((action) => /Version$|Bypass|Hold|Configuration|\*/.test(action))).toEqual([
      's3:GetObjectVersion',
    ])
  })
})
