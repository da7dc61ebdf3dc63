import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { pythonWithBoto3 } from '../support/clients/boto3.ts'
import { clientEnvironment, runCommand } from '../support/clients/command.ts'
import { clientFolder } from '../support/clients/folder.ts'
import { conformance } from '../support/conformance.ts'

const script = join(import.meta.dirname, 'boto3_checks.py')
const names = [...readFileSync(script, 'utf8').matchAll(/^@check\('(.+)'\)$/gm)].map(
  (found) => found[1] ?? '',
)

type Report = { readonly version: string; readonly results: Readonly<Record<string, string | null>> }

const bench = conformance()
const folder = clientFolder()
let report: Report = { version: '', results: {} }

beforeAll(async () => {
  const python = await pythonWithBoto3()
  const { endpoint, region, credentials } = bench.server()
  const outcome = await runCommand(python, [script], {
    env: {
      ...clientEnvironment(folder.path('.')),
      HOLDFAST_ENDPOINT: endpoint,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_DEFAULT_REGION: region,
    },
  })
  expect([outcome.code, outcome.stderr]).toEqual([0, ''])
  report = JSON.parse(outcome.stdout) as Report
}, 300_000)

describe('boto3', () => {
  it('boto3: the pinned version ran every check of the file', () => {
    const pinned = /^boto3==(.+)$/m.exec(readFileSync(join(import.meta.dirname, 'requirements.txt'), 'utf8'))
    expect(report.version).toBe(pinned?.[1])
    expect(names.length).toBeGreaterThan(20)
    expect(Object.keys(report.results)).toEqual(names)
  })

  it.each(names)('%s', (name) => {
    expect(report.results[name]).toBeNull()
  })
})
