import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { lintStructural, makeCrds } from '../../../src/api/crd.ts'
import { makeCrdFiles, makeCrdStream } from '../../../src/api/crd-yaml.ts'

const folder = join(import.meta.dirname, '../../../crds')
const crds = makeCrds().map(({ crd }) => crd as never as Crd)

type Schema = { readonly [keyword: string]: unknown }
type Crd = {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly names: { readonly shortNames: readonly string[]; readonly categories: readonly string[] }
    readonly versions: readonly {
      readonly served: boolean
      readonly storage: boolean
      readonly subresources: { readonly status?: object }
      readonly additionalPrinterColumns: readonly { readonly name: string; readonly priority?: number }[]
      readonly schema: { readonly openAPIV3Schema: { readonly properties: { readonly status: Schema } } }
    }[]
  }
}

describe('crds/', () => {
  test('crds/: every file is what the schemas make, and there is no other file', () => {
    const files = makeCrdFiles()
    expect(readdirSync(folder).sort()).toEqual(files.map(({ fileName }) => fileName).sort())
    for (const { fileName, text } of files) {
      expect(readFileSync(join(folder, fileName), 'utf8'), `${fileName}: run npm run crds`).toBe(text)
    }
  })

  test('crds/: the text is the object, as YAML 1.1 readers see it too', () => {
    const files = makeCrdFiles()
    makeCrds().forEach(({ crd }, index) => {
      expect(parse(files[index]?.text ?? '', { version: '1.1' })).toEqual(crd)
    })
    const stream = parseAllDocuments(makeCrdStream())
    expect(stream.map((document) => document.toJS())).toEqual(crds)
  })

  test.each(crds)('crds/: $metadata.name, every schema is structural and bounded', (crd) => {
    for (const { schema } of crd.spec.versions) {
      const root = schema.openAPIV3Schema as never as { properties: { spec: never; status: never } }
      expect(lintStructural(root.properties.spec, 'spec')).toEqual([])
      expect(lintStructural(root.properties.status, 'status')).toEqual([])
    }
  })

  test.each(crds)(
    'crds/: $metadata.name, exactly one version is served, so no rule has a way around it',
    (crd) => {
      expect(crd.spec.versions.map(({ served, storage }) => ({ served, storage }))).toEqual([
        { served: true, storage: true },
      ])
    },
  )

  test.each(crds)('crds/: $metadata.name, a fresh object is not taken for ready', (crd) => {
    const version = crd.spec.versions[0]
    expect(version?.subresources.status).toEqual({})
    expect(version?.schema.openAPIV3Schema.properties.status['default']).toEqual({ observedGeneration: -1 })
    expect(crd.spec.names.categories).toEqual(['holdfast'])
  })

  test('crds/: rules keep clear of what real API servers refuse or forget', () => {
    const text = makeCrdStream()
    expect(text).not.toContain('messageExpression')
    expect(text).not.toContain('optionalOldSelf')
    expect(text.match(/x-kubernetes-validations/g)?.length).toBeGreaterThan(7)
  })

  test('crds/: the columns, those of -o wide in brackets', () => {
    const columns = crds.map(({ spec }) =>
      (spec.versions[0]?.additionalPrinterColumns ?? []).map(({ name, priority }) =>
        priority === 1 ? `(${name})` : name,
      ),
    )
    expect(columns).toEqual([
      ['Ready', 'Mode', 'Retention', 'Buckets', '(Reason)', '(Message)', 'Age'],
      ['Ready', 'Bucket', 'Mode', 'Retention', 'Locked-Until', '(Reason)', '(Message)', '(Endpoint)', 'Age'],
      ['Ready', 'Role', 'Secret', 'Rotated', '(Reason)', '(Message)', 'Age'],
      ['Ready', 'Floor', 'Ceiling', 'Namespaces', 'Buckets', '(Reason)', '(Message)', 'Age'],
    ])
  })

  test('crds/: every field that a user writes or reads is described', () => {
    const undescribed = (schema: Schema, path: string): readonly string[] => {
      const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>)
      const items = schema['items'] === undefined ? [] : undescribed(schema['items'] as Schema, `${path}[]`)
      const own = typeof schema['description'] === 'string' || path.endsWith('[]') ? [] : [path]
      return [...own, ...items, ...properties.flatMap(([name, each]) => undescribed(each, `${path}.${name}`))]
    }
    for (const crd of crds) {
      const root = crd.spec.versions[0]?.schema.openAPIV3Schema as never as {
        properties: { spec: Schema; status: Schema }
      }
      expect(undescribed(root.properties.spec, 'spec')).toEqual([])
      expect(undescribed(root.properties.status, 'status')).toEqual([])
    }
  })
})

describe('lintStructural', () => {
  test.each([
    ['a reference', { $ref: '#/definitions/a', type: 'object' }, 'a: $ref is forbidden'],
    ['no type', { enum: ['x'] }, 'a: type is missing'],
    [
      'a closed object',
      { type: 'object', additionalProperties: false },
      'a: additionalProperties: false is forbidden',
    ],
    ['unique items', { type: 'array', maxItems: 1, uniqueItems: true }, 'a: uniqueItems: true is forbidden'],
    ['an unbounded list', { type: 'array' }, 'a: maxItems is missing'],
    ['an unbounded text', { type: 'string' }, 'a: maxLength is missing'],
    ['a union', { type: 'object', anyOf: [] }, 'a: anyOf is forbidden'],
    ['a bad property', { type: 'object', properties: { b: {} } }, 'a.b: type is missing'],
    ['bad items', { type: 'array', maxItems: 1, items: { type: 'string' } }, 'a.items: maxLength is missing'],
    ['a text for a schema', 'x', 'a: a schema is an object'],
  ])('lintStructural: %s, found', (_title, schema, expected) => {
    expect(lintStructural(schema, 'a')).toEqual([expected])
  })

  test('lintStructural: bounded and typed, nothing found', () => {
    const good = {
      type: 'object',
      properties: {
        time: { type: 'string', format: 'date-time' },
        mode: { type: 'string', enum: ['a'] },
        list: { type: 'array', maxItems: 1, items: { type: 'string', maxLength: 1 } },
        map: { type: 'object', additionalProperties: true },
      },
    }
    expect(lintStructural(good, 'a')).toEqual([])
  })
})
