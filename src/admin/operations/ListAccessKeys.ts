import { limits } from '../../lib/limits.ts'
import { formatIso } from '../../lib/units.ts'
import type { AdminOperation } from '../operation.ts'

/** The stored access keys with whose they are and what they may, a page at a time; never their secrets. */
export const ListAccessKeys: AdminOperation = {
  name: 'ListAccessKeys',
  method: 'GET',
  path: '/v1/access-keys',
  principals: ['root', 'operator'],
  handle: async ({ store, query }) => {
    const limit = limits.accessKeysPageMax
    const { keys, next } = await store.accessKeys.list({ after: query.get('after'), limit })
    const accessKeys = keys.map(({ createdMs, ...facts }) => ({ ...facts, created: formatIso(createdMs) }))
    return { status: 200, document: { accessKeys, next } }
  },
}
