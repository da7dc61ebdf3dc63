import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory, root, startStandalone } from '../support/standalone.ts'

/** The lines in the README, in any order of the two buckets, with this run's paths and ports as the README writes them. */
test('README: the transcript of npm start is what is printed', async () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const block = /<!-- transcript: npm start;[^>]*-->\n```text\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  const server = startStandalone(makeDirectory())
  await server.printed(/Ctrl-C stops\./)
  const printed = server
    .output()
    .replaceAll(server.endpoint(), 'http://127.0.0.1:9000')
    .replaceAll(/(Admin API\s+)\S+/g, '$1http://127.0.0.1:9001')
    .replaceAll(server.manifests, 'examples/quickstart')
    .replaceAll(server.data, 'data')
  expect(printed.split('\n').toSorted()).toEqual(block.split('\n').toSorted())
})
