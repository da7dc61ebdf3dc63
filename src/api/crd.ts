/** The CustomResourceDefinitions, made from the schemas: one object per kind, ready to be written as YAML. */
import { z } from 'zod'
import { assert } from '../lib/assert.ts'
import { bucketAccessSpecSchema, bucketAccessStatusSchema } from './BucketAccess.ts'
import {
  clusterRetentionPolicySpecSchema,
  clusterRetentionPolicyStatusSchema,
} from './ClusterRetentionPolicy.ts'
import { lockedBucketSpecSchema, lockedBucketStatusSchema } from './LockedBucket.ts'
import { apiGroup, servedVersion } from './metadata.ts'
import { retentionPolicySpecSchema, retentionPolicyStatusSchema } from './RetentionPolicy.ts'

/** JSON, as the generator builds it. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }
type JsonObject = { readonly [name: string]: Json }

type PrinterColumn = {
  readonly name: string
  readonly type: 'string' | 'integer' | 'date'
  readonly jsonPath: string
  readonly description: string
  /** 1: only with `-o wide`. */
  readonly priority?: 1
}

type CrdSource = {
  readonly kind: string
  readonly plural: string
  readonly shortName: string
  readonly scope: 'Namespaced' | 'Cluster'
  readonly description: string
  readonly spec: z.ZodType
  readonly status: z.ZodType
  readonly columns: readonly PrinterColumn[]
}

const readyColumn: PrinterColumn = {
  name: 'Ready',
  type: 'string',
  jsonPath: '.status.conditions[?(@.type=="Ready")].status',
  description: 'Whether the lock server enforces the spec.',
}
const reasonColumns: readonly PrinterColumn[] = [
  {
    name: 'Reason',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
    description: 'Why it is ready or not.',
    priority: 1,
  },
  {
    name: 'Message',
    type: 'string',
    jsonPath: '.status.conditions[?(@.type=="Ready")].message',
    description: 'The same in a sentence.',
    priority: 1,
  },
]
const ageColumn: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'When the object was made.',
}

const retentionPolicySource: CrdSource = {
  kind: 'RetentionPolicy',
  plural: 'retentionpolicies',
  shortName: 'retpol',
  scope: 'Namespaced',
  description:
    'How long new versions in the buckets that refer to it are locked. In mode COMPLIANCE it can only ever ' +
    'get stricter: weakening it is refused, cluster administrators included.',
  spec: retentionPolicySpecSchema,
  status: retentionPolicyStatusSchema,
  columns: [
    readyColumn,
    {
      name: 'Mode',
      type: 'string',
      jsonPath: '.spec.defaultRetention.mode',
      description: 'The retention mode.',
    },
    {
      name: 'Retention',
      type: 'string',
      jsonPath: '.status.retention',
      description: 'The default period and the number of prefix rules.',
    },
    {
      name: 'Buckets',
      type: 'integer',
      jsonPath: '.status.bucketCount',
      description: 'How many LockedBuckets refer to the policy.',
    },
    ...reasonColumns,
    ageColumn,
  ],
}

const lockedBucketSource: CrdSource = {
  kind: 'LockedBucket',
  plural: 'lockedbuckets',
  shortName: 'lbk',
  scope: 'Namespaced',
  description:
    'A bucket with S3 Object Lock on the lock server, under a RetentionPolicy. Its status is what the server ' +
    'answers, read back, not what the spec asks for. Deleting the object never deletes locked versions.',
  spec: lockedBucketSpecSchema,
  status: lockedBucketStatusSchema,
  columns: [
    readyColumn,
    { name: 'Bucket', type: 'string', jsonPath: '.spec.bucketName', description: 'The name of the bucket.' },
    {
      name: 'Mode',
      type: 'string',
      jsonPath: '.status.objectLock.mode',
      description: 'The mode that the server enforces on new versions.',
    },
    {
      name: 'Retention',
      type: 'string',
      jsonPath: '.status.objectLock.retention',
      description: 'The default period that the server enforces and the number of prefix rules.',
    },
    {
      name: 'Locked-Until',
      type: 'string',
      jsonPath: '.status.lockedUntil',
      description: 'The latest date until which a version is locked.',
    },
    ...reasonColumns,
    {
      name: 'Endpoint',
      type: 'string',
      jsonPath: '.status.bucket.endpoint',
      description: 'Where S3 clients reach the bucket.',
      priority: 1,
    },
    ageColumn,
  ],
}

const bucketAccessSource: CrdSource = {
  kind: 'BucketAccess',
  plural: 'bucketaccesses',
  shortName: 'lbacc',
  scope: 'Namespaced',
  description:
    'Access keys for LockedBuckets of the same namespace, in a Secret. Deleting the object revokes them at once: ' +
    'the next request that is signed with one is refused.',
  spec: bucketAccessSpecSchema,
  status: bucketAccessStatusSchema,
  columns: [
    readyColumn,
    { name: 'Role', type: 'string', jsonPath: '.spec.role', description: 'What the keys may do.' },
    {
      name: 'Secret',
      type: 'string',
      jsonPath: '.status.secretName',
      description: 'The Secret that has the keys.',
    },
    {
      name: 'Rotated',
      type: 'date',
      jsonPath: '.status.lastRotatedTime',
      description: 'When the current key was made.',
    },
    ...reasonColumns,
    ageColumn,
  ],
}

const clusterRetentionPolicySource: CrdSource = {
  kind: 'ClusterRetentionPolicy',
  plural: 'clusterretentionpolicies',
  shortName: 'cretpol',
  scope: 'Cluster',
  description:
    'What the RetentionPolicies of the namespaces that it selects may ask for: a floor that they are raised to, a ' +
    'ceiling, the modes. Loosening or deleting it reaches what is edited later; what is enforced stays.',
  spec: clusterRetentionPolicySpecSchema,
  status: clusterRetentionPolicyStatusSchema,
  columns: [
    { ...readyColumn, description: 'Whether it binds the namespaces that it selects.' },
    {
      name: 'Floor',
      type: 'string',
      jsonPath: '.status.range.floor',
      description: 'The weakest default retention.',
    },
    {
      name: 'Ceiling',
      type: 'string',
      jsonPath: '.status.range.ceiling',
      description: 'The longest retention.',
    },
    {
      name: 'Namespaces',
      type: 'integer',
      jsonPath: '.status.namespaceCount',
      description: 'How many namespaces it binds.',
    },
    {
      name: 'Buckets',
      type: 'integer',
      jsonPath: '.status.bucketCount',
      description: 'How many LockedBuckets are in them.',
    },
    ...reasonColumns,
    ageColumn,
  ],
}

const sources: readonly CrdSource[] = [
  retentionPolicySource,
  lockedBucketSource,
  bucketAccessSource,
  clusterRetentionPolicySource,
]

/** One CRD with the name of its file below crds/. */
export type CrdFile = { readonly fileName: string; readonly crd: JsonObject }

/** Every CRD of the group. */
export function makeCrds(): readonly CrdFile[] {
  return sources.map((source) => ({
    fileName: `${apiGroup}_${source.plural}.yaml`,
    crd: makeCrd(source),
  }))
}

/**
 * What in a schema a structural schema of Kubernetes may not have, each with its place; empty: none. Source:
 * the rules for structural schemas in the Kubernetes documentation of CustomResourceDefinitions.
 */
export function lintStructural(schema: Json, path: string): readonly string[] {
  if (Array.isArray(schema)) return schema.flatMap((each, index) => lintStructural(each, `${path}[${index}]`))
  if (!isObject(schema)) return [`${path}: a schema is an object`]
  const found = Object.keys(schema)
    .filter((keyword) => forbiddenKeywords.has(keyword))
    .map((keyword) => `${path}: ${keyword} is forbidden`)
  if (schema['additionalProperties'] === false)
    found.push(`${path}: additionalProperties: false is forbidden`)
  if (schema['uniqueItems'] === true) found.push(`${path}: uniqueItems: true is forbidden`)
  if (typeof schema['type'] !== 'string') found.push(`${path}: type is missing`)
  if (schema['type'] === 'array' && schema['maxItems'] === undefined)
    found.push(`${path}: maxItems is missing`)
  if (isOpenText(schema)) found.push(`${path}: maxLength is missing`)
  const { properties, items } = schema
  if (items !== undefined) found.push(...lintStructural(items, `${path}.items`))
  for (const [name, property] of Object.entries(isObject(properties) ? properties : {})) {
    found.push(...lintStructural(property, `${path}.${name}`))
  }
  return found
}

const forbiddenKeywords: ReadonlySet<string> = new Set([
  '$ref',
  '$schema',
  '$id',
  'definitions',
  '$defs',
  'dependencies',
  'deprecated',
  'discriminator',
  'id',
  'patternProperties',
  'readOnly',
  'writeOnly',
  'xml',
  'const',
  'anyOf',
  'oneOf',
  'allOf',
  'not',
  'exclusiveMinimum',
  'exclusiveMaximum',
])

/** A string that CEL would price at the worst case; dates and enums are bounded by themselves. */
function isOpenText(schema: JsonObject): boolean {
  const isText = schema['type'] === 'string' && schema['enum'] === undefined
  return isText && schema['maxLength'] === undefined && schema['format'] !== 'date-time'
}

function makeCrd(source: CrdSource): JsonObject {
  const { kind, plural, shortName, scope } = source
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${apiGroup}` },
    spec: {
      group: apiGroup,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['holdfast'],
      },
      scope,
      conversion: { strategy: 'None' },
      versions: [
        {
          name: servedVersion,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: source.columns.map((column) => ({ ...column })),
          schema: { openAPIV3Schema: makeSchema(source) },
        },
      ],
    },
  }
}

function makeSchema({ description, spec, status }: CrdSource): JsonObject {
  return {
    type: 'object',
    description,
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string', description: `The group and version: ${apiGroup}/${servedVersion}.` },
      kind: { type: 'string', description: 'The kind of the object.' },
      metadata: { type: 'object' },
      spec: { ...jsonSchema(spec), description: 'What is wanted.' },
      status: {
        ...jsonSchema(status),
        description: 'What is, as the lock server answered; written by the operator alone.',
        // Flux and kstatus read an object without any status as ready.
        default: { observedGeneration: -1 },
      },
    },
  }
}

/** `input`: the output side adds additionalProperties: false, which structural schemas may not have. */
function jsonSchema(schema: z.ZodType): JsonObject {
  const json: unknown = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
    cycles: 'throw',
  })
  const plain = JSON.parse(JSON.stringify(json)) as Json
  assert(isObject(plain), 'a schema is an object')
  return plain
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
