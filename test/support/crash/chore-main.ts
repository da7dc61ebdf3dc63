/** The owner of a volume as a process of its own, which does one thing at a time when it is told to. */
import { silentLog } from '../../../src/lib/log.ts'
import { openVolumeOwner, type VolumeOwner } from '../../../src/server/open-volume.ts'
import { ensureBallast, releaseBallast } from '../../../src/store/bodies/space.ts'
import type { Actor, Store } from '../../../src/store/store.ts'
import { fileClock } from '../file-clock.ts'
import { madeUpRowsPerTransaction, madeUpSteps } from './made-up-format.ts'

/** `versionId`: of a locked version of the bucket `ledger` with the key `key`, for what is refused. */
export type ChoreOrder = { readonly name: ChoreName; readonly versionId: string }

export type ChoreName =
  | 'open'
  | 'tick'
  | 'lifecycle'
  | 'applyToExisting'
  | 'scrub'
  | 'refusals'
  | 'garbage'
  | 'ballast'
  | 'noBallast'
  | 'upgrade'
  | 'close'

const [directory = '', clockFile = ''] = process.argv.slice(2)
const unhurried = 1024 ** 3
/** More than are records of their own. */
const refusalCount = 30
const actor: Actor = {
  accessKeyId: 'AKIDALICE',
  accountId: '111122223333',
  requestId: 'R',
  operation: 'DeleteObject',
}
let owner: VolumeOwner | null = null

async function run({ name, versionId }: ChoreOrder): Promise<unknown> {
  if (name === 'open') {
    owner = await openVolumeOwner({ directory, clock: fileClock(clockFile), log: silentLog })
    return
  }
  if (name === 'upgrade') {
    const upgrade = { steps: madeUpSteps, rowsPerTransaction: madeUpRowsPerTransaction }
    owner = await openVolumeOwner({ directory, clock: fileClock(clockFile), log: silentLog, upgrade })
    return
  }
  // Without an owner, which would look after the ballast too.
  if (name === 'ballast') return ensureBallast(directory, { epoch: 'chore', worker: 'w0' })
  if (name === 'noBallast') return releaseBallast(directory)
  if (owner === null) throw new Error('the volume is opened first')
  const { store } = owner
  const signal = AbortSignal.timeout(600_000)
  switch (name) {
    case 'tick':
      return store.clock.tick()
    case 'lifecycle':
      return store.lifecycle.run(signal)
    case 'applyToExisting':
      return store.applyToExisting(signal)
    case 'scrub':
      return store.scrub.run(signal, unhurried)
    case 'refusals':
      return refuse(store, versionId)
    case 'garbage':
      return store.collectGarbage(signal)
    case 'close':
      return owner.close()
  }
}

async function refuse(store: Store, versionId: string): Promise<void> {
  const input = {
    bucket: 'ledger',
    key: 'key',
    versionId,
    bypassGovernance: false,
  }
  const answers = await Promise.all(
    Array.from({ length: refusalCount }, () => store.versions.delete(actor, input)),
  )
  if (answers.some(({ kind }) => kind !== 'denied')) throw new Error('a locked version was not refused')
}

process.on('message', (order: ChoreOrder) => {
  run(order).then(
    () => {
      process.send?.({ kind: 'done' })
      if (order.name === 'close') process.disconnect()
    },
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
