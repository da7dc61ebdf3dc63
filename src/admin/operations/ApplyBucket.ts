import { applyBucketDocument, parseDocument } from '../../api/admin.ts'
import { bucketNameProblem } from '../../api/LockedBucket.ts'
import { AdminError, type AdminOperation } from '../operation.ts'

/** Create, adopt or change the policy of a bucket in one transaction; never weakens what is enforced. */
export const ApplyBucket: AdminOperation = {
  name: 'ApplyBucket',
  method: 'PUT',
  path: '/v1/buckets/{name}',
  principals: ['operator'],
  handle: async ({ store, actor, facts, pathName, epoch }, body) => {
    if (epoch === null) throw new AdminError(400, 'MissingEpoch', 'the header x-holdfast-epoch is required')
    const problem = bucketNameProblem(pathName)
    if (problem !== null) throw new AdminError(400, 'InvalidBucketName', `${pathName}: ${problem}`)
    const parsed = parseDocument(applyBucketDocument, body)
    if (parsed.kind === 'bad') throw new AdminError(400, 'InvalidDocument', parsed.message)
    const { owner } = parsed.value
    const result = await store.buckets.apply(actor, {
      epoch,
      name: pathName,
      region: facts.region,
      accountNamespace: { clusterId: owner.clusterId, namespace: owner.namespace },
      ...parsed.value,
    })
    switch (result.kind) {
      case 'applied':
        return { status: 200, document: { kind: 'applied', change: result.change } }
      case 'nameConflict':
        return { status: 409, document: { kind: 'nameConflict', owner: result.owner } }
      case 'wouldShorten':
        return { status: 409, document: { kind: 'wouldShorten', aspects: result.aspects } }
      case 'staleEpoch':
        return { status: 409, document: { kind: 'staleEpoch', epoch: result.epoch } }
    }
  },
}
