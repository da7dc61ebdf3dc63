import { describe, expect, test } from 'vitest'
import { readSettings } from '../../../src/config/read-settings.ts'
import { settings } from '../../../src/config/settings.ts'

const line = {
  command: 'holdfast test',
  summary: 'For tests.',
  names: ['data', 's3Listen', 'workers', 'shutdownGraceMs', 'secretAccessKey'],
  positionals: ['TARGET'],
} as const

function values(argv: readonly string[], environment: Record<string, string> = {}) {
  const result = readSettings(line, argv, environment)
  if (result.kind !== 'ok') throw new Error(JSON.stringify(result))
  return result
}

function message(argv: readonly string[], environment: Record<string, string> = {}): string {
  const result = readSettings(line, argv, environment)
  return result.kind === 'bad' ? result.message : `not refused: ${JSON.stringify(result)}`
}

describe('settings', () => {
  test('readSettings: without flags, the defaults', () => {
    expect(values([]).values).toEqual({
      data: 'data',
      s3Listen: { host: '::', port: 9000 },
      workers: null,
      shutdownGraceMs: 30_000,
      secretAccessKey: null,
    })
  })

  test('readSettings: a flag wins over the environment, which wins over the default', () => {
    const environment = { HOLDFAST_DATA: '/env', HOLDFAST_WORKERS: '3' }
    expect(values(['--data', '/flag'], environment).values).toMatchObject({ data: '/flag', workers: 3 })
  })

  test('readSettings: --flag=value and --flag value are the same', () => {
    expect(values(['--s3-listen=127.0.0.1:0']).values.s3Listen).toEqual({ host: '127.0.0.1', port: 0 })
    expect(values(['--s3-listen', '[::1]:9']).values.s3Listen).toEqual({ host: '::1', port: 9 })
  })

  test('readSettings: an empty environment variable counts as not set', () => {
    expect(values([], { HOLDFAST_DATA: '' }).values.data).toBe('data')
  })

  test('readSettings: a command may have defaults of its own', () => {
    const result = readSettings({ ...line, initial: { data: 'elsewhere' } }, [], {})
    expect(result.kind === 'ok' && result.values.data).toBe('elsewhere')
  })

  test.each([
    [['--wrong', '1'], 'there is no flag --wrong'],
    [['--data'], '--data needs a value'],
    [['--data', 'a', '--data', 'b'], '--data is given twice'],
    [['--workers', '0'], "--workers: '0' is not a whole number from 1 to 256"],
    [['--workers', '1e2'], "--workers: '1e2' is not a whole number"],
    [['--s3-listen', '9000'], "--s3-listen: '9000' is not host:port"],
    [['--s3-listen', 'localhost:70000'], 'is not host:port'],
    [['--shutdown-grace', '30'], "--shutdown-grace: '30' is not a duration"],
    [['--shutdown-grace', '700h'], 'is not within'],
    [['--data', ''], '--data: it is empty'],
    [['one', 'two'], "'two' is one argument too many"],
  ])('readSettings: %j is refused with a sentence', (argv, sentence) => {
    expect(message(argv)).toContain(sentence)
  })

  test('readSettings: a bad environment variable is named', () => {
    expect(message([], { HOLDFAST_WORKERS: 'many' })).toContain('HOLDFAST_WORKERS:')
  })

  test('readSettings: --help shows every flag, its variable and its default', () => {
    const result = readSettings(line, ['--help'], {})
    const text = result.kind === 'help' ? result.text : ''
    expect(text).toContain('Usage: holdfast test TARGET [flags]')
    expect(text).toContain('--s3-listen VALUE')
    expect(text).toContain('(default [::]:9000) [HOLDFAST_S3_LISTEN]')
    expect(text).toContain('HOLDFAST_SECRET_ACCESS_KEY')
  })

  test('settings: every flag has an environment twin, secrets have no flag, every default parses', () => {
    for (const [name, row] of Object.entries(settings)) {
      expect(row.env, name).toMatch(/^(HOLDFAST_[A-Z0-9_]+|KUBECONFIG)$/)
      if (/secret|AccessKeyId/i.test(name)) expect(row.flag, name).toBeNull()
      else expect(row.flag, name).toMatch(/^(--[a-z0-9-]+|-f)$/)
      if (row.initial !== null) expect(() => row.parse(row.initial ?? '')).not.toThrow()
    }
  })

  test('volumeId: as a server prints it', () => {
    const { parse } = settings.volumeId
    const id = '1b4e28ba-2fa1-41d2-883f-0016d3cca427'
    expect(parse(id)).toBe(id)
    for (const wrong of ['', 'data', id.toUpperCase(), id.replaceAll('-', ''), `${id}0`])
      expect(() => parse(wrong), wrong).toThrow('is not the id of a volume')
  })

  test('watchNamespaces: names by commas, each a label, each once', () => {
    const { parse } = settings.watchNamespaces
    expect(parse('team-a, team-b')).toEqual(['team-a', 'team-b'])
    for (const wrong of ['', 'a,', 'Team', 'a.b', '-a', 'a'.repeat(64)])
      expect(() => parse(wrong), wrong).toThrow('is not the name of a namespace')
    expect(() => parse('a,b,a')).toThrow('named twice')
    const many = Array.from({ length: 101 }, (_, index) => `n${index}`)
    expect(() => parse(many.join())).toThrow('at most 100 namespaces')
    expect(parse(many.slice(1).join())).toHaveLength(100)
  })

  test('operators: accounts by commas, with the namespaces of those that watch some', () => {
    const { parse } = settings.operators
    expect(parse('a/b, c/d=team-a+team-b')).toEqual([
      { namespace: 'a', serviceAccount: 'b', namespaces: null },
      { namespace: 'c', serviceAccount: 'd', namespaces: ['team-a', 'team-b'] },
    ])
    const account = /is not an account such as holdfast-system\/holdfast-operator/
    for (const wrong of ['a', 'a/', '/b', 'a/b/c', 'a/b,', '']) expect(() => parse(wrong)).toThrow(account)
    for (const wrong of ['a/b=', 'a/b=x+', 'a/b=x y'])
      expect(() => parse(wrong)).toThrow(/name of a namespace/)
    expect(() => parse('a/b,a/b=c')).toThrow(/named twice/)
    expect(() => parse("a/b'")).toThrow(/lower-case letters/)
    const many = Array.from({ length: 51 }, (_, index) => `a/b${index}`)
    expect(() => parse(many.join())).toThrow(/at most 50 accounts/)
  })

  test('storageClaims: names of claims by commas, each once', () => {
    const { parse } = settings.storageClaims
    expect(parse('data-holdfast-server-0, old.data')).toEqual(['data-holdfast-server-0', 'old.data'])
    for (const wrong of ['', 'a,', 'Data', '../a', 'a/b', '-a', 'a'.repeat(254)])
      expect(() => parse(wrong), wrong).toThrow('is not the name of a PersistentVolumeClaim')
    expect(() => parse('a,b,a')).toThrow('named twice')
    const many = Array.from({ length: 17 }, (_, index) => `c${index}`)
    expect(() => parse(many.join())).toThrow('at most 16 claims')
    expect(parse(many.slice(1).join())).toHaveLength(16)
  })
})
