import { expect, test } from 'vitest'
import { MakingPauses } from '../../../src/operator/controllers/bucket-access-pauses.ts'
import { ManualTime } from './manual-timers.ts'

const app = { namespace: 'team', name: 'app' }

test('MakingPauses: half a minute after a failure, twice as long after the next, a quarter of an hour at most', async () => {
  const time = new ManualTime()
  const pauses = new MakingPauses(time)
  pauses.assertOver(app)
  for (const pauseMs of [30_000, 60_000, 120_000, 240_000, 480_000, 960_000, 1_000_000, 1_000_000]) {
    pauses.failed(app, new Error('no room'))
    await time.advance(pauseMs - 1)
    expect(() => pauses.assertOver(app)).toThrow('no room')
    await time.advance(1)
    pauses.assertOver(app)
  }
})

test('MakingPauses: of one object alone, and none once its Secret was written', () => {
  const pauses = new MakingPauses(new ManualTime())
  pauses.failed(app, new Error('no room'))
  pauses.assertOver({ ...app, name: 'other' })
  pauses.end(app)
  pauses.assertOver(app)
})
