import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeDirectory, root, startStandalone } from '../support/standalone.ts'

async function plan(
  args: readonly string[],
  { stdin = '', environment = {} }: { stdin?: string; environment?: Record<string, string> } = {},
) {
  const child = spawn(process.execPath, [join(root, 'bin/holdfast'), 'plan', ...args], {
    env: { PATH: process.env['PATH'], ...environment },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin.end(stdin)
  const [code] = (await once(child, 'close')) as [number]
  return { code, stdout, stderr }
}

/** The quickstart manifests, and a copy of them with one text replaced by another. */
function twoFolders(file: string, from: string, to: string) {
  const directory = makeDirectory('holdfast-plan-')
  const before = join(directory, 'manifests')
  const after = join(directory, 'after')
  mkdirSync(after)
  const text = readFileSync(join(before, file), 'utf8')
  expect(text).toContain(from)
  for (const name of [
    'backups-bucket.yaml',
    'compliance-policy.yaml',
    'governance-policy.yaml',
    'ledger-bucket.yaml',
  ])
    writeFileSync(join(after, name), readFileSync(join(before, name), 'utf8'))
  writeFileSync(join(after, file), text.replace(from, to))
  return { directory, before, after }
}

describe('holdfast plan', () => {
  test('against the old manifests: 0 nothing, 2 changes, 3 refused', async () => {
    const longer = twoFolders('compliance-policy.yaml', 'days: 1', 'days: 2')
    const same = await plan(['-f', longer.before, '--against', longer.before])
    expect(same).toMatchObject({ code: 0, stderr: '' })
    expect(same.stdout).toContain('0 refused, 0 to change, 4 unchanged')
    const tighter = await plan(['-f', longer.after, '--against', longer.before])
    expect(tighter).toMatchObject({ code: 2, stderr: '' })
    expect(tighter.stdout).toContain(
      'RetentionPolicy default/compliance: change\n  tightens: COMPLIANCE 1 day becomes COMPLIANCE 2 days',
    )
    const weaker = await plan(['-f', longer.before, '--against', longer.after])
    expect(weaker.code).toBe(3)
    expect(weaker.stdout).toContain('refused by CEL: spec.defaultRetention:')
  })

  test('stdin: a foreign object is passed over, a misspelt field is refused, a List is its items', async () => {
    const good = readFileSync(join(root, 'examples/quickstart/compliance-policy.yaml'), 'utf8')
    const foreign = '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n'
    const created = await plan(['-f', '-'], { stdin: `${good}${foreign}` })
    expect(created).toMatchObject({ code: 2, stderr: '' })
    expect(created.stdout).toContain('0 refused, 1 to change, 0 unchanged')
    const misspelt = await plan(['-f', '-'], { stdin: good.replace('mode:', 'modus:') })
    expect(misspelt.code).toBe(3)
    expect(misspelt.stdout).toContain('refused by schema: stdin: RetentionPolicy compliance: ')
    const item = {
      apiVersion: 'holdfast.dev/v1',
      kind: 'RetentionPolicy',
      metadata: { name: 'keep' },
      spec: { defaultRetention: { mode: 'GOVERNANCE', days: 1 } },
    }
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [item, item] })
    const twice = await plan(['-f', '-'], { stdin: list })
    expect(twice.code).toBe(3)
    expect(twice.stdout).toContain('RetentionPolicy default/keep is in stdin already')
  })

  test('no answer is exit 1: no -f, no such file, half a file, no server', async () => {
    expect(await plan([])).toMatchObject({ code: 1, stderr: expect.stringContaining('-f FILE') })
    expect(await plan(['-f', 'nowhere.yaml'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nowhere.yaml'),
    })
    expect(await plan(['-f', '-'], { stdin: 'a: [1' })).toMatchObject({ code: 1, stdout: '' })
    expect(await plan(['--frobnicate'])).toMatchObject({ code: 1 })
    const away = await plan(
      ['-f', join(root, 'examples/quickstart'), '--ask-server', 'on', '--server-admin', 'http://127.0.0.1:9'],
      { environment: { HOLDFAST_ACCESS_KEY_ID: 'key', HOLDFAST_SECRET_ACCESS_KEY: 'secret' } },
    )
    expect(away).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('http://127.0.0.1:9') })
  })

  test('against a running server: the floor answers, whatever the old manifests say', async () => {
    const folders = twoFolders('compliance-policy.yaml', 'mode: COMPLIANCE', 'mode: GOVERNANCE')
    const server = startStandalone(folders.directory)
    await server.printed(/LockedBucket default\/ledger: Ready/)
    await server.printed(/LockedBucket default\/backups: Ready/)
    const [, admin = ''] = await server.printed(/Admin API\s+(http:\/\/127\.0\.0\.1:\d+)/)
    const ask = (folder: string) =>
      plan(['-f', folder, '--ask-server', 'on', '--server-admin', admin, '--data', server.data])
    const same = await ask(folders.before)
    expect(same, same.stdout).toMatchObject({ code: 0, stderr: '' })
    const weaker = await ask(folders.after)
    expect(weaker, weaker.stdout).toMatchObject({ code: 3, stderr: '' })
    expect(weaker.stdout).toContain(
      'LockedBucket default/ledger: refused\n  refused by lock server: defaultRetention: COMPLIANCE 1 DAYS would become',
    )
    await server.end('SIGTERM')
  })

  test('against a running server: what it has of all that a manifest says is unchanged, what it has not is a change', async () => {
    const directory = makeDirectory('holdfast-plan-')
    const manifests = join(directory, 'manifests')
    const plain = join(directory, 'plain')
    cpSync(manifests, plain, { recursive: true })
    const extend = (name: string, lines: string) =>
      writeFileSync(
        join(manifests, name),
        `${readFileSync(join(manifests, name), 'utf8').trimEnd()}\n${lines}`,
      )
    extend(
      'governance-policy.yaml',
      '  minimum: {days: 2}\n  maximum: {years: 1}\n  applyToExisting: ExtendOnly\n',
    )
    extend('compliance-policy.yaml', '  applyToExisting: IncludingModeChange\n')
    const lifecycle = 'lifecycle: {rules: [{id: a, noncurrentVersionExpiration: {noncurrentDays: 1}}]}'
    extend('backups-bucket.yaml', `  quota: 1Gi\n  tags: [{key: team, value: a}]\n  ${lifecycle}\n`)
    const server = startStandalone(directory)
    await server.printed(/LockedBucket default\/ledger: Ready/)
    await server.printed(/LockedBucket default\/backups: Ready/)
    const [, admin = ''] = await server.printed(/Admin API\s+(http:\/\/127\.0\.0\.1:\d+)/)
    const ask = (folder: string) =>
      plan(['-f', folder, '--ask-server', 'on', '--server-admin', admin, '--data', server.data])
    const same = await ask(manifests)
    expect(same, same.stdout).toMatchObject({ code: 0, stderr: '' })
    expect(same.stdout).toContain('0 refused, 0 to change, 4 unchanged')
    writeFileSync(
      join(plain, 'compliance-policy.yaml'),
      readFileSync(join(manifests, 'compliance-policy.yaml'), 'utf8').replace(
        'IncludingModeChange',
        'ExtendOnly',
      ),
    )
    const other = await plan([
      ...['-f', plain, '--bypass-governance', 'on'],
      ...['--ask-server', 'on', '--server-admin', admin, '--data', server.data],
    ])
    expect(other, other.stdout).toMatchObject({ code: 2, stderr: '' })
    expect(other.stdout).toContain('LockedBucket default/ledger: change\n  locks existing versions: ')
    expect(other.stdout).toContain('  changes: applyToExisting ends: what it locked stays locked\n')
    expect(other.stdout).toContain('  changes: a maximum of 1 year becomes no maximum\n')
    expect(other.stdout).toContain('  changes: the lock server has another quota\n')
    await server.end('SIGTERM')
  })
})
