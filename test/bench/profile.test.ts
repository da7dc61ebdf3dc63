/** Flamegraphs: what is drawn of a profile, and that a server's processes leave one. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type CpuProfile, flamegraph } from '../../bench/flamegraph.ts'

const root = join(import.meta.dirname, '../..')
const file = (path: string) => `file:///somewhere/application/dist/${path}.js`

/** `samples`: one every 10 µs from 1000 on. */
function profileOf(samples: readonly number[]): CpuProfile {
  const node = (id: number, functionName: string, url: string, children: readonly number[] = []) => {
    return { id, callFrame: { functionName, url }, children }
  }
  return {
    nodes: [
      node(1, '(root)', '', [2, 3, 6, 7]),
      node(2, '(idle)', ''),
      node(3, 'answer', file('server/wire'), [4]),
      node(4, 'put', 'file:///x/node_modules/@scope/some/index.js', [5]),
      node(5, '', file('store/gate')),
      node(6, '(garbage collector)', ''),
      node(7, 'a<b', file('lock/rules')),
    ],
    ...{ startTime: 1000, samples, timeDeltas: samples.map((_, index) => (index === 0 ? 0 : 10)) },
  }
}

/** Of the frames; the first is the picture's own. */
const titlesOf = (svg: string) =>
  [...svg.matchAll(/<title>([^<]*)<\/title>/g)].slice(1).map(([, title]) => title)

describe('flamegraph', () => {
  it('what was called stands above its caller, widest first, and an idle process is nothing', () => {
    const svg = flamegraph([profileOf([5, 5, 2, 2, 4, 7, 6, 5])], { from: 0, to: 2000 }, 'PUT <1>')
    expect(titlesOf(svg)).toEqual([
      'all 100.0 %',
      'answer server/wire 66.7 %',
      'put @scope/some 66.7 %',
      '(anonymous) store/gate 50.0 %',
      'a&lt;b lock/rules 16.7 %',
      '(garbage collector) 16.7 %',
    ])
    expect(svg).toContain('PUT &lt;1&gt;: 6 samples')
  })

  it('only samples of the span count, of all processes', () => {
    const both = [profileOf([7, 3, 3]), profileOf([7, 7, 3])]
    expect(titlesOf(flamegraph(both, { from: 1010, to: 1020 }, ''))).toEqual([
      'all 100.0 %',
      'answer server/wire 75.0 %',
      'a&lt;b lock/rules 25.0 %',
    ])
  })

  it('what is less than 0.3 % is left out', () => {
    const svg = flamegraph([profileOf([...Array<number>(400).fill(3), 7])], { from: 0, to: 9000 }, '')
    expect(titlesOf(svg)).toEqual(['all 100.0 %', 'answer server/wire 99.8 %'])
  })
})

it('npm run bench:profile: the workload by its name, drawn into a file of that name', () => {
  const out = mkdtempSync(join(tmpdir(), 'holdfast-flamegraphs-'))
  try {
    const command = ['bench/profile.ts', 'PUT 4 KiB c32', '--seconds', '1', '--out', out]
    const { status, stdout, stderr } = spawnSync(process.execPath, command, {
      cwd: root,
      encoding: 'utf8',
      timeout: 500_000,
    })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('put-4-kib-c32.svg')
    expect(readdirSync(out)).toEqual(['put-4-kib-c32.svg'])
    const titles = titlesOf(readFileSync(join(out, 'put-4-kib-c32.svg'), 'utf8'))
    expect(titles.some((title) => title?.includes(' server/') || title?.includes(' store/'))).toBe(true)
  } finally {
    rmSync(out, { recursive: true })
  }
})

it('npm run bench:profile: a workload that there is not ends with the names of all', () => {
  const command = ['bench/profile.ts', 'PUT 5 KiB']
  const { status, stderr } = spawnSync(process.execPath, command, {
    cwd: root,
    encoding: 'utf8',
    timeout: 500_000,
  })
  expect(status).toBe(1)
  expect(stderr).toMatch(/no workload is called PUT 5 KiB: PUT 4 KiB c1; /)
})

it('every flamegraph that is kept is one of a workload, and small', () => {
  const folder = join(root, 'bench/flamegraphs')
  const found = readdirSync(folder)
  expect(found.length).toBeGreaterThanOrEqual(6)
  for (const name of found) {
    const svg = readFileSync(join(folder, name), 'utf8')
    expect(svg.length).toBeLessThan(300_000)
    expect(titlesOf(svg)[0]).toBe('all 100.0 %')
  }
})
