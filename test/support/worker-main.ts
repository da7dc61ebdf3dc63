import { runWorker } from '../../src/server/worker.ts'
import { clockOfEnvironment } from './file-clock.ts'

runWorker({ clock: clockOfEnvironment() })
