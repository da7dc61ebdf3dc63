import { expect, it } from 'vitest'
import { accessKey, accountId, conformance } from '../support/conformance.ts'

const owner = accessKey('owner', null)
const bench = conformance({ accessKeys: [owner] })

it('GetBucketAcl: the owner with FULL_CONTROL, also for root', async () => {
  const bucket = await bench.bucket('unversioned', { key: owner })
  for (const signer of [{ key: owner }, {}]) {
    const answer = await bench.send({ method: 'GET', path: `/${bucket}`, query: { acl: '' }, ...signer })
    const person = `<ID>${accountId}</ID><DisplayName>${accountId}</DisplayName>`
    expect([answer.status, answer.text]).toEqual([
      200,
      '<?xml version="1.0" encoding="UTF-8"?>\n<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
        `<Owner>${person}</Owner><AccessControlList><Grant>` +
        `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">${person}</Grantee>` +
        '<Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>',
    ])
  }
})
