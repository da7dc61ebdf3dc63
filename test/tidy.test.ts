import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as tidy from './support/tidy/checkers.ts'
import { folderRules } from './support/tidy/rules.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const sources: readonly tidy.SourceFile[] = globSync('src/**/*.ts', { cwd: root }).map((path) => ({
  path: relative('src', path),
  text: read(path),
}))
const tests = globSync('test/**/*.ts', { cwd: root })
/** What is missing, a line each. */
const checkLockfile = (path: string) =>
  spawnSync(process.execPath, ['tools/complete-lockfile.mjs', '--check', path], {
    cwd: root,
    encoding: 'utf8',
  }).stdout
const planted = (path: string, text: string): tidy.SourceFile => ({ path, text })

describe('the tree', () => {
  test('tidy: it sees the sources and the tests', () => {
    expect(sources.length).toBeGreaterThan(100)
    expect(tests.length).toBeGreaterThan(60)
  })

  test('imports: every folder keeps to its row of the table', () => {
    expect(sources.flatMap(tidy.checkFolders)).toEqual([])
  })

  test('docs/ARCHITECTURE.md: its table of rooms is the one that is enforced', () => {
    const rows = [...read('docs/ARCHITECTURE.md').matchAll(/^\| `src\/([\w.]+)` \|.*\| (.*) \|$/gm)]
    const documented = rows.map(([, room = '', imports = '']) => [
      room,
      imports.match(/[a-z]\w+/g)?.filter((word) => !['the', 'engines'].includes(word)) ?? [],
    ])
    const rooms = new Map<string, Set<string>>()
    for (const { folder, imports } of folderRules) {
      const room = folder.replace(/\/.*/, '')
      const allowed = rooms.get(room) ?? new Set()
      for (const name of imports.map((path) => path.replace(/\/.*/, ''))) {
        if (name !== room) allowed.add(name)
      }
      rooms.set(room, allowed)
    }
    const enforced = [...rooms].map(([room, imports]) => [room, [...imports].sort()])
    expect(documented.map(([room, imports]) => [room, [...(imports ?? [])].sort()]).sort()).toEqual(
      enforced.sort(),
    )
  })

  test('packages: every package has one door', () => {
    expect(sources.flatMap(tidy.checkDoors)).toEqual([])
  })

  test('banned text: none, each with its replacement', () => {
    expect(sources.flatMap(tidy.checkBanned)).toEqual([])
  })

  test('files: at most 400 lines', () => {
    const testFiles = tests.map((path) => ({ path, text: read(path) }))
    expect([...sources, ...testFiles].flatMap(tidy.checkLength)).toEqual([])
  })

  test('files: named for what is in them', () => {
    expect(sources.flatMap(tidy.checkName)).toEqual([])
  })

  test('operations: file, export, name, table and conformance test agree', () => {
    const operations = sources.filter((file) => file.path.startsWith('s3/operations/'))
    const conformance = new Set(
      tests
        .filter((path) => path.startsWith('test/conformance/'))
        .map((path) => path.slice(17, -'.test.ts'.length)),
    )
    const table = read('src/s3/operations/index.ts')
    expect(operations.length).toBeGreaterThan(15)
    expect(operations.flatMap((file) => tidy.checkOperation(file, table, conformance))).toEqual([])
  })

  test('limits: each is enforced somewhere', () => {
    expect(tidy.unusedLimits(read('src/lib/limits.ts'), sources)).toEqual([])
  })

  test('errors: each code of the table is thrown somewhere', () => {
    const table = read('src/s3/errors.ts')
    const codes = [...table.matchAll(/^ {2}([A-Z][A-Za-z0-9]+): \{/gm)].map((match) => match[1] ?? '')
    expect(codes.length).toBeGreaterThan(40)
    const others = sources.filter((file) => file.path !== 's3/errors.ts')
    expect(tidy.unusedErrorCodes(codes, others)).toEqual([])
  })

  test('memory engine: only the store suites import it', () => {
    const importers = [...sources.map((file) => `src/${file.path}`), ...tests].filter(
      (path) => /from '[^']*kv\/memory\//.test(read(path)) && !path.startsWith('src/store/kv/memory/'),
    )
    expect(importers.filter((path) => !path.startsWith('test/store/'))).toEqual([])
  })

  test('changelog: release headings with Safety, Features, Internals', () => {
    expect(tidy.checkChangelog(read('CHANGELOG.md'))).toEqual([])
  })

  test('documents: no path of one machine', () => {
    const documents = globSync('{*.md,docs/**/*.md,examples/**/*.{yaml,md},tools/**/*.{sh,md},.ci/run}', {
      cwd: root,
    })
    expect(documents.length).toBeGreaterThan(5)
    expect(documents.flatMap((path) => tidy.checkMachinePaths(path, read(path)))).toEqual([])
  })

  test('package.json: at most 12 production dependencies, all pinned', () => {
    const manifest = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
    expect(Object.keys(manifest['dependencies'] ?? {}).length).toBeLessThanOrEqual(12)
    const versions = Object.values({ ...manifest['dependencies'], ...manifest['devDependencies'] })
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
    expect(existsSync(join(root, 'package-lock.json'))).toBe(true)
  })

  test('package-lock.json: every optional dependency has its entry, or npm ci refuses the file', () => {
    for (const lockfile of ['package-lock.json', 'bench/peers/s3rver/package-lock.json'])
      expect(checkLockfile(lockfile)).toBe('')
  })
})

describe('each checker sees a planted violation', () => {
  const problems: readonly (readonly [string, readonly string[]])[] = [
    ['imports', tidy.checkFolders(planted('lock/rules.ts', "import { x } from '../store/store.ts'\n"))],
    [
      'several lines',
      tidy.checkFolders(planted('lock/a.ts', "import {\n  x,\n  y,\n} from '../store/store.ts'\n")),
    ],
    [
      'dynamic import',
      tidy.checkFolders(planted('operator/a.ts', "const s = await import('../store/store.ts')\n")),
    ],
    ['purity', tidy.checkFolders(planted('lock/rules.ts', "import { readFileSync } from 'node:fs'\n"))],
    ['unknown folder', tidy.checkFolders(planted('stuff/a.ts', ''))],
    ['door', tidy.checkDoors(planted('s3/route.ts', "import { XMLParser } from 'fast-xml-parser'\n"))],
    ['no door', tidy.checkDoors(planted('s3/route.ts', "import leftPad from 'left-pad'\n"))],
    ['banned text', tidy.checkBanned(planted('s3/route.ts', 'const now = Date.now()\n'))],
    ['second path to removal', tidy.checkBanned(planted('s3/route.ts', 'await unlink(path)\n'))],
    ['length', tidy.checkLength(planted('s3/route.ts', 'x\n'.repeat(401)))],
    ['name', tidy.checkName(planted('s3/routeTable.ts', ''))],
    ['vague name', tidy.checkName(planted('s3/helpers.ts', ''))],
    ['operation', tidy.checkOperation(planted('s3/operations/PutObject.ts', ''), '', new Set())],
    ['limit', tidy.unusedLimits('  neverReadMax: 1,\n', [])],
    ['error code', tidy.unusedErrorCodes(['NeverThrown'], [])],
    ['changelog', tidy.checkChangelog('## 1.0.0\n\n### Misc\n')],
    ['machine path', tidy.checkMachinePaths('README.md', 'see /root/x')],
    ['lock file', [checkLockfile(join('test', 'support', 'tidy', 'incomplete-lock.json'))].filter(Boolean)],
  ]
  test.each(problems)('%s', (_name, found) => {
    expect(found.length).toBeGreaterThan(0)
  })
})
