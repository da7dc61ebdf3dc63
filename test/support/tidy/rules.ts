/** The import rules of docs/ARCHITECTURE.md as data. A folder that is not here is an error. */
export type FolderRule = {
  readonly folder: string
  /** Importers see it as this folder. */
  readonly partOf?: string
  /** Folders of src it may import, besides itself. A name also allows what lies below it. */
  readonly imports: readonly string[]
  /** `none`: not even node:. `crypto`: node:crypto only. */
  readonly node: 'none' | 'crypto' | 'any'
}

/** Most specific first. */
export const folderRules: readonly FolderRule[] = [
  { folder: 'lib', imports: [], node: 'none' },
  { folder: 'lock', imports: ['lib'], node: 'none' },
  { folder: 'sigv4', imports: ['lib'], node: 'crypto' },
  { folder: 'platform', imports: ['lib'], node: 'any' },
  { folder: 'api', imports: ['lock', 'lib'], node: 'any' },
  { folder: 'config', imports: ['lib'], node: 'any' },
  // The contracts of the engines are the store's own words: types and errors, for whoever may import the store.
  { folder: 'store/kv/contract.ts', partOf: 'store', imports: ['lib'], node: 'none' },
  { folder: 'store/bodies/contract.ts', partOf: 'store', imports: ['store', 'lib'], node: 'none' },
  { folder: 'store/kv', imports: ['store', 'lib', 'platform'], node: 'any' },
  { folder: 'store/bodies', imports: ['store', 'lib', 'platform'], node: 'any' },
  { folder: 'store', imports: ['lock', 'lib', 'store/kv', 'store/bodies'], node: 'any' },
  { folder: 'admin', imports: ['store', 'lock', 'api', 'sigv4', 'lib'], node: 'any' },
  { folder: 's3', imports: ['store', 'lock', 'sigv4', 'lib'], node: 'any' },
  {
    folder: 'server',
    imports: [
      's3',
      'admin',
      'store',
      'store/kv',
      'store/bodies',
      'config',
      'sigv4',
      'lock',
      'lib',
      'platform',
    ],
    node: 'any',
  },
  { folder: 'client', imports: ['api', 'lock', 'sigv4', 'lib'], node: 'any' },
  { folder: 'operator', imports: ['api', 'client', 'config', 'lock', 'lib', 'platform'], node: 'any' },
  {
    folder: 'cli',
    imports: ['api', 'client', 'store', 'config', 'lock', 'lib', 'platform', 'server', 'operator'],
    node: 'any',
  },
  { folder: 'main.ts', imports: ['cli', 'config', 'platform', 'lib'], node: 'any' },
]

/** Packages and the only files or folders that may import them: one door each. */
export const packageDoors: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk/client-s3': [
    'client/s3-client.ts',
    'client/s3-evidence.ts',
    'client/hold-proof.ts',
    'client/canary.ts',
  ],
  '@kubernetes/client-node': ['operator/kube.ts'],
  '@node-rs/crc32': ['store/bodies/', 's3/checksums.ts'],
  'fast-xml-parser': ['s3/xml.ts'],
  fastify: ['server/server.ts'],
  'fs-native-extensions': ['platform/volume-lock.ts'],
  'hash-wasm': ['s3/checksums.ts'],
  lmdb: ['store/kv/lmdb/'],
  pino: ['platform/log.ts'],
  yaml: ['operator/sources/yaml.ts', 'api/crd-yaml.ts'],
  zod: ['api/', 'config/'],
}

export type BannedText = {
  readonly pattern: RegExp
  readonly instead: string
  /** Paths below src where it is right. */
  readonly except: readonly string[]
}

export const bannedTexts: readonly BannedText[] = [
  { pattern: /\bDate\.now\(|new Date\(\)/, instead: 'the Clock of src/lib/clock.ts', except: ['platform/'] },
  { pattern: /\bprocess\.env\b/, instead: 'a field of src/config', except: ['config/'] },
  { pattern: /\bMath\.random\(/, instead: 'node:crypto', except: [] },
  {
    pattern: /\bAbortSignal\.any\(/,
    instead: 'src/lib/signals.ts, which lets go of the signals (nodejs/node 65995)',
    except: [],
  },
  { pattern: /\bas unknown as\b/, instead: 'a parser', except: [] },
  { pattern: /\bexport default\b/, instead: 'a named export', except: [] },
  { pattern: /\b(FIXME|XXX|TODO)\b/, instead: 'doing it, or an issue', except: [] },
  {
    pattern: /\bDESIGN \d|\b(semantics|operator|performance|style)\.md\b|bypass-catalogue/,
    instead: 'the fact itself: that paper is not in the tree',
    except: [],
  },
  {
    pattern: /\btransactionSync\b|\bputSync\(/,
    instead: 'the async API (heap corruption on a full disk)',
    except: [],
  },
  {
    pattern: /\b(unlink|rm|rmdir|truncate|ftruncate)(Sync)?\(/,
    instead: 'the one gate: store/bodies removes bodies, nothing else removes files',
    except: ['store/bodies/', 'platform/', 'operator/sources/'],
  },
]
