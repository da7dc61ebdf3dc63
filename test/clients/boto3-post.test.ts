import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { pythonWithBoto3 } from '../support/clients/boto3.ts'
import { clientEnvironment, runCommand } from '../support/clients/command.ts'
import { clientFolder } from '../support/clients/folder.ts'
import { conformance, md5 } from '../support/conformance.ts'

const script = join(import.meta.dirname, 'boto3_post.py')
const bench = conformance()
const folder = clientFolder()
const variable = ['$', '{filename}'].join('')
let python = ''
beforeAll(async () => {
  python = await pythonWithBoto3()
}, 300_000)

type Posted = readonly [status: number, location: string | null, body: string]

async function post(form: object): Promise<readonly Posted[]> {
  const { endpoint, region, credentials } = bench.server()
  const outcome = await runCommand(python, [script, JSON.stringify(form)], {
    env: {
      ...clientEnvironment(folder.path('.')),
      HOLDFAST_ENDPOINT: endpoint,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_DEFAULT_REGION: region,
    },
  })
  expect([outcome.code, outcome.stderr]).toEqual([0, ''])
  return JSON.parse(outcome.stdout) as readonly Posted[]
}

describe('boto3', () => {
  it('boto3: generate_presigned_post stores the file with its lock, a field more is refused', async () => {
    const bucket = await bench.bucket('locked')
    const fields = {
      'Content-Type': 'text/plain',
      'Content-MD5': md5('über bytes'),
      'x-amz-meta-a': 'ü',
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': '2099-01-01T00:00:00Z',
      'x-amz-object-lock-legal-hold': 'ON',
      success_action_status: '201',
    }
    const conditions = Object.entries(fields).map(([name, value]) => ({ [name]: value }))
    const form = {
      bucket,
      fields,
      conditions,
      key: `in/${variable}`,
      name: 'naïve file.txt',
      file: 'über bytes',
    }
    const [covered, uncovered] = await post(form)
    const location = `${bench.server().endpoint}/${bucket}/in%2Fna%C3%AFve%20file.txt`
    expect(covered?.slice(0, 2)).toEqual([201, location])
    expect(covered?.[2]).toContain('<Key>in/naïve file.txt</Key>')
    expect([uncovered?.[0], uncovered?.[2]]).toEqual([
      403,
      expect.stringContaining('Invalid according to Policy: Extra input fields: x-amz-meta-b'),
    ])
    const stored = await bench.send({ method: 'GET', path: `/${bucket}/in/naïve file.txt` })
    expect([stored.status, stored.text]).toEqual([200, 'über bytes'])
    expect(stored.headers).toMatchObject({
      'content-type': 'text/plain',
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': '2099-01-01T00:00:00.000Z',
      'x-amz-object-lock-legal-hold': 'ON',
    })
  })
})
