/**
 * Loaded before a command (`node --import`): its wall clock is the one that a test drives by a file, the same as that of the test's
 * server. Uptime, and with it every timer, stays the machine's.
 */
import { clockOfEnvironment } from './file-clock.ts'

const machineNow = Date.now
let isAsked = false
const clock = clockOfEnvironment()

/** The clock behind it asks for the machine's time by the same name. */
Date.now = () => {
  if (isAsked) return machineNow()
  isAsked = true
  try {
    return clock.wallMs()
  } finally {
    isAsked = false
  }
}
