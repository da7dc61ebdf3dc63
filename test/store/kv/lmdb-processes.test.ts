import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  chainHash,
  logHeadKey,
  logKey,
  parseChainHead,
  parseChainValue,
} from '../../../src/store/kv/chain.ts'
import type { KeyValue } from '../../../src/store/kv/contract.ts'
import { UnsupportedFileSystemError } from '../../../src/store/kv/contract.ts'
import { parseCounter } from '../../../src/store/kv/counter.ts'
import { assertSupportedFileSystem } from '../../../src/store/kv/lmdb/directory.ts'
import { openLmdb } from '../../../src/store/kv/lmdb/lmdb.ts'
import { bytes } from './suite-store.ts'

const run = promisify(execFile)
const processPath = (name: string) => join(import.meta.dirname, 'processes', `${name}.ts`)

describe('lmdb with processes', () => {
  let directory = ''
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-kv-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  /** A load process, and the numbers that it acknowledged so far. */
  function startLoad(
    name: string,
    count: number,
  ): { child: ChildProcess; acknowledged: number[]; ended: Promise<void> } {
    const child = spawn(process.execPath, [processPath('load'), directory, name, `${count}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const acknowledged: number[] = []
    let rest = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      acknowledged.push(...lines.map(Number))
    })
    return { child, acknowledged, ended: new Promise((resolve) => child.on('close', () => resolve())) }
  }

  async function until(isReached: () => boolean, children: readonly ChildProcess[]): Promise<void> {
    while (!isReached()) {
      for (const child of children) expect(child.exitCode).toBeNull()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async function readAll(kv: KeyValue, from: Uint8Array, to: Uint8Array) {
    const entries = []
    for (let start = from; ; ) {
      const page = await kv.range({ from: start, to, limit: 1000 })
      entries.push(...page)
      const last = page.at(-1)
      if (page.length < 1000 || last === undefined) return entries
      start = new Uint8Array([...last.key, 0])
    }
  }

  /** Every transaction of the load wrote four things: all agree, and the chain has no gap. */
  async function consistentRecords(kv: KeyValue): Promise<Set<string>> {
    const chain = await readAll(kv, logKey('audit', 0), logKey('audit', 2 ** 53 - 1))
    let previous: Uint8Array = new Uint8Array(32)
    const records = chain.map(({ value }, index) => {
      const parsed = parseChainValue(value)
      expect(parsed.sequence).toBe(index + 1)
      expect(parsed.previous).toEqual(previous)
      previous = chainHash(value)
      return Buffer.from(parsed.record).toString()
    })
    expect(parseChainHead(await kv.get(logHeadKey('audit')))).toEqual({
      sequence: records.length,
      hash: previous,
    })
    expect(new Set(records).size).toBe(records.length)
    expect(parseCounter(await kv.get(bytes('n')))).toBe(records.length)
    expect(Buffer.from((await kv.get(bytes('total'))) ?? []).toString()).toBe(`${records.length}`)
    const own = await readAll(kv, bytes('own/'), bytes('own0'))
    const ownNames = own.map(({ key }) => Buffer.from(key).toString().slice('own/'.length))
    expect(ownNames.sort()).toEqual([...records].sort())
    return new Set(records)
  }

  test('two processes: read-modify-write, add and append at once, lose nothing', async () => {
    const loads = [startLoad('p', 300), startLoad('q', 300)]
    await Promise.all(loads.map(({ ended }) => ended))
    for (const { child, acknowledged } of loads) {
      expect(child.exitCode).toBe(0)
      expect(acknowledged.length).toBe(300)
    }
    const kv = await openLmdb({ directory })
    expect((await consistentRecords(kv)).size).toBe(600)
    await kv.close()
  })

  test('kill -9 of one process under load: the other goes on, all that was acknowledged is there', async () => {
    const loads = { p: startLoad('p', 1e9), q: startLoad('q', 1e9) }
    const children = [loads.p.child, loads.q.child]
    await until(() => loads.p.acknowledged.length > 150 && loads.q.acknowledged.length > 150, children)
    loads.p.child.kill('SIGKILL')
    await loads.p.ended
    const before = loads.q.acknowledged.length
    await until(() => loads.q.acknowledged.length > before + 100, [loads.q.child])
    loads.q.child.kill('SIGKILL')
    await loads.q.ended
    const kv = await openLmdb({ directory })
    const records = await consistentRecords(kv)
    for (const name of ['p', 'q'] as const) {
      for (const index of loads[name].acknowledged) expect(records.has(`${name}/${index}`)).toBe(true)
    }
    await kv.transact(async (transaction) => transaction.put(bytes('k'), bytes('v')))
    await kv.close()
  })

  test('a commit of another process: once acknowledged there, is read here at once', async () => {
    const kv = await openLmdb({ directory })
    const seen = await kv.snapshot(async (reader) => {
      await reader.get(bytes('k0'))
      // Blocks the event loop, so that no timer of the library renews the read transaction that it shares.
      execFileSync(process.execPath, [processPath('one'), directory, '1'])
      return { old: await reader.get(bytes('k0')), fresh: await kv.get(bytes('k0')) }
    })
    expect(seen).toEqual({ old: null, fresh: bytes('v') })
    await kv.close()
  })

  test('read only: sees what is there, refuses to write and leaves the store usable', async () => {
    const writer = await openLmdb({ directory })
    await writer.transact(async (transaction) => transaction.put(bytes('k'), bytes('v')))
    await writer.close()
    const reader = await openLmdb({ directory, readOnly: true })
    expect(await reader.get(bytes('k'))).toEqual(bytes('v'))
    const write = reader.transact(async (transaction) => transaction.put(bytes('k'), bytes('x')))
    await expect(write).rejects.toThrow('open for reading only')
    expect(await reader.get(bytes('k'))).toEqual(bytes('v'))
    await reader.close()
  })

  test('a write callback that fails half-way: the process ends and nothing of it is stored', async () => {
    const ended = run(process.execPath, ['--abort-on-uncaught-exception', processPath('half'), directory])
    await expect(ended).rejects.toMatchObject({ signal: 'SIGABRT' })
    const kv = await openLmdb({ directory })
    expect(await kv.get(bytes('before'))).toEqual(bytes('x'))
    expect(await kv.get(bytes('half'))).toBeNull()
    await kv.transact(async (transaction) => transaction.put(bytes('later'), bytes('x')))
    await kv.close()
  })

  test('file systems: shared ones are refused by name, local ones are not', () => {
    for (const kind of [0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x00c36400, 0x01021997, 0x65735546]) {
      expect(() => assertSupportedFileSystem(kind, 'DATA/kv')).toThrow(UnsupportedFileSystemError)
    }
    expect(() => assertSupportedFileSystem(0x6969, 'DATA/kv')).toThrow(/DATA\/kv is on NFS.*block device/)
    for (const local of [0xef53, 0x58465342, 0x9123683e, 0x2fc12fc1, 0x01021994]) {
      expect(() => assertSupportedFileSystem(local, 'DATA/kv')).not.toThrow()
    }
  })
})

describe('lmdb and the disk', () => {
  let directory = ''
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-kv-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  test('transact: resolves after data and meta page are flushed, seen in the system calls', async () => {
    const trace = join(directory, 'trace')
    const syscalls = 'trace=openat,pwrite64,pwritev,writev,fdatasync,write'
    const { stdout } = await run('strace', [
      ...['-f', '-qq', '-e', syscalls, '-e', 'inject=fdatasync:delay_exit=200000', '-o', trace],
      ...[process.execPath, processPath('one'), join(directory, 'kv'), '5'],
    ])
    const tookMs = [...stdout.matchAll(/acknowledged (\d+)/g)].map((match) => Number(match[1]))
    expect(tookMs.length).toBe(5)
    for (const ms of tookMs) expect(ms).toBeGreaterThanOrEqual(199)

    const calls = (await readFile(trace, 'utf8')).split('\n')
    const metaOpen = calls.find((line) => line.includes('data.mdb') && line.includes('O_DSYNC'))
    const metaFile = metaOpen?.match(/= (\d+)$/)?.[1]
    expect(metaFile).toBeDefined()
    const text = calls.join('\n')
    const spans = [...text.matchAll(/write\(1, "begin[\s\S]*?write\(1, "acknowledged/g)].map(([span]) => span)
    expect(spans.length).toBe(5)
    for (const span of spans) {
      const flushed = span.search(/fdatasync(\(\d+\)| resumed>\)) += 0/)
      const meta = span.search(new RegExp(`pwrite64\\(${metaFile},`))
      expect(span.search(/pwrite64|pwritev|writev/)).toBeLessThan(flushed)
      expect(flushed).toBeGreaterThan(0)
      expect(meta).toBeGreaterThan(flushed)
    }
  })

  test('a full volume: StoreFailedError, the process lives; after reopening all acknowledged is there', async () => {
    const ballast = join(directory, 'ballast')
    const script = [
      `mount -t tmpfs -o size=12m tmpfs ${directory}`,
      `head -c 4000000 /dev/zero > ${ballast}`,
      `${process.execPath} ${processPath('fill')} ${directory}/kv`,
      'echo',
      `rm ${ballast}`,
      `${process.execPath} ${processPath('check')} ${directory}/kv`,
    ].join(' && ')
    const namespaces = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount']
    // The mount lives in the namespace of the script: it is gone with it, whatever happens.
    const { stdout } = await run('unshare', [...namespaces, 'sh', '-c', script], { maxBuffer: 16e6 })
    const [filled, checked] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(filled.acknowledged.length).toBeGreaterThan(20)
    expect(new Set(filled.errors)).toEqual(new Set(['StoreFailedError']))
    expect(filled.laterNames).toEqual(['StoreFailedError', 'StoreFailedError'])
    expect(checked.wroteAgain).toBe(true)
    const present = new Set(checked.present)
    for (const index of filled.acknowledged) expect(present.has(index)).toBe(true)
    expect(checked.logged).toEqual(checked.present)
  })
})
