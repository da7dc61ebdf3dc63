/** Commands that run for hours and may be ended at any moment: what the person who ends one is told. */

/** Of a process that the signal ended, as a shell says it. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const
/** For a signal to end the process that sent it to itself. */
const signalMsMax = 1000

/**
 * Runs `work`; at SIGINT or SIGTERM says what is left, and ends the process at once, as that signal would have. Only for work
 * that a kill at any step leaves in order.
 */
export async function interruptible(
  { command, left }: { readonly command: string; readonly left: string },
  work: () => Promise<number>,
): Promise<number> {
  const end = (signal: 'SIGINT' | 'SIGTERM'): void => {
    forget()
    process.stderr.write(`${command}: ended by ${signal}: ${left}\n`)
    // Not `process.exit`: it joins the threads of lmdb, which may copy on for minutes, or wait for this very thread.
    process.kill(process.pid, signal)
    // The first process of a container is ended by no signal that it does not handle.
    setTimeout(() => process.exit(exitCodes[signal]), signalMsMax)
  }
  const forget = (): void => {
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
  }
  process.on('SIGINT', end)
  process.on('SIGTERM', end)
  try {
    return await work()
  } finally {
    forget()
  }
}
