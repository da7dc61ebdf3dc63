/** The module that the supervisor forks: a worker on the machine's own clock. */
import { systemClock } from '../platform/clock.ts'
import { runWorker } from './worker.ts'

runWorker({ clock: systemClock() })
