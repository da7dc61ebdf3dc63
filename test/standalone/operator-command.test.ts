import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const program = join(import.meta.dirname, '../../bin/holdfast')
const key = {
  HOLDFAST_OPERATOR_ACCESS_KEY_ID: 'OPERATOREXAMPLE',
  HOLDFAST_OPERATOR_SECRET_ACCESS_KEY: 'secret',
}
const listen = ['--metrics-listen', '127.0.0.1:0']

async function run(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, [program, 'operator', ...args], { env: { ...environment } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  await once(child, 'close')
  return { code: child.exitCode, output }
}

test('holdfast operator: --help, every setting with its environment variable', async () => {
  const { code, output } = await run(['--help'], {})
  expect(code).toBe(0)
  for (const name of ['--kubeconfig', '--server-s3', '--server-admin', 'HOLDFAST_OPERATOR_ACCESS_KEY_ID']) {
    expect(output).toContain(name)
  }
})

test('holdfast operator: a flag that does not exist or no key of the operator, exit code 2 and what is wrong', async () => {
  const flag = await run(['--kubeconfigs', 'x'], key)
  expect(flag).toMatchObject({ code: 2, output: expect.stringContaining('there is no flag --kubeconfigs') })
  const noKey = await run(listen, {})
  expect(noKey).toMatchObject({ code: 2, output: expect.stringContaining('HOLDFAST_OPERATOR_ACCESS_KEY_ID') })
})

test('holdfast operator: no kubeconfig file or an interval out of bounds, exit code 1 and what is wrong', async () => {
  const missing = await run([...listen, '--kubeconfig', '/nonexistent/kubeconfig'], key)
  expect(missing).toMatchObject({ code: 1, output: expect.stringContaining('/nonexistent/kubeconfig') })
  const interval = await run([...listen, '--verify-interval', '1ms', '--cluster-id', 'x'], key)
  expect(interval).toMatchObject({ code: 1, output: expect.stringContaining('within 100 ms and 24 h') })
})
