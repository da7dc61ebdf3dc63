import { AdminError, type AdminOperation } from '../operation.ts'

/**
 * The hash of one record of the audit chain, and the one that the chain names there: whoever noted it once sees whether the chain still
 * goes through it, also where the record was damaged since.
 */
export const GetAuditHash: AdminOperation = {
  name: 'GetAuditHash',
  method: 'GET',
  path: '/v1/audit-hashes/{name}',
  principals: ['root', 'operator'],
  handle: async ({ store, pathName }) => {
    if (!/^[1-9][0-9]{0,14}$/.test(pathName))
      throw new AdminError(400, 'InvalidSequence', `${pathName} is not the number of a record`)
    return { status: 200, document: await store.audit.hashesOf(Number(pathName)) }
  },
}
