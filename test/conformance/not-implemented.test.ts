import { expect, it } from 'vitest'
import { unbuiltOperations } from '../../src/s3/operations/not-implemented.ts'
import { accessKey, conformance, refusal } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const bench = conformance({ accessKeys: [owner] })

it.each(unbuiltOperations.map(({ name, match }) => [name, match] as const))(
  '%s is NotImplemented by name and changes nothing',
  async (name, match) => {
    const bucket = await bench.bucket('locked', { key: owner, rule: '<Mode>COMPLIANCE</Mode><Days>1</Days>' })
    await bench.put(bucket, 'key', { key: owner })
    const path = match.level === 'service' ? '/' : match.level === 'bucket' ? `/${bucket}` : `/${bucket}/key`
    const query = Object.fromEntries([
      ...(match.query ?? []).map((each) => [each, '']),
      ...Object.entries(match.queryValues ?? {}),
    ])
    const headers = Object.fromEntries((match.headers ?? []).map((each) => [each, 'x']))
    const answer = await bench.unchanged(bucket, () =>
      bench.send({ method: match.method, path, query, headers, key: owner }),
    )
    expect(refusal(answer)).toEqual([501, 'NotImplemented', `${name} is not implemented by this server.`])
  },
)
