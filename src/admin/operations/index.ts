import type { AdminOperation } from '../operation.ts'
import { AcceptClock } from './AcceptClock.ts'
import { AcceptRestore } from './AcceptRestore.ts'
import { AcquireLeadership } from './AcquireLeadership.ts'
import { ApplyBucket } from './ApplyBucket.ts'
import { DeleteAccessKey } from './DeleteAccessKey.ts'
import { ExplainDelete } from './ExplainDelete.ts'
import { FindLocked } from './FindLocked.ts'
import { GetAuditHash } from './GetAuditHash.ts'
import { GetBucket } from './GetBucket.ts'
import { GetServer } from './GetServer.ts'
import { ListAccessKeys } from './ListAccessKeys.ts'
import { ListQuarantine } from './ListQuarantine.ts'
import { PutAccessKey } from './PutAccessKey.ts'
import { ReleaseBucket } from './ReleaseBucket.ts'

export const adminOperations: readonly AdminOperation[] = [
  AcceptClock,
  AcceptRestore,
  AcquireLeadership,
  ApplyBucket,
  DeleteAccessKey,
  ExplainDelete,
  FindLocked,
  GetAuditHash,
  GetBucket,
  GetServer,
  ListAccessKeys,
  ListQuarantine,
  PutAccessKey,
  ReleaseBucket,
]

export type AdminRoute = { readonly operation: AdminOperation; readonly pathName: string }

/** Finds the operation of a method and a decoded path; null when there is none. */
export function routeAdmin(method: string, path: string): AdminRoute | null {
  for (const operation of adminOperations) {
    if (operation.method !== method) continue
    if (operation.path === path) return { operation, pathName: '' }
    if (!operation.path.endsWith('/{name}')) continue
    const base = operation.path.slice(0, -'{name}'.length)
    const rest = path.startsWith(base) ? path.slice(base.length) : ''
    if (rest !== '' && !rest.includes('/')) return { operation, pathName: rest }
  }
  return null
}
