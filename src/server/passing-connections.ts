import type { Worker } from 'node:cluster'

/**
 * A connection that node:cluster is handing to a worker is lost when the worker dies before it says that it has
 * it: nobody answers the client and nobody closes the connection (seen on Node 24.21: one for each death under
 * load, for ever). Here they are closed at the worker's exit, so that the client sees a reset and may try again.
 * Guarded by test/crash/worker-death.test.ts.
 */
export function closePassingConnections(worker: Worker): void {
  const child = worker.process
  // One at a time on each listening port: the next is handed over when the worker has said yes to the last.
  const passing = new Map<unknown, Closable>()
  const send = child.send
  Object.assign(child, {
    send: (...given: readonly unknown[]): unknown => {
      const [message, handle] = given
      if (isNewConnection(message) && isClosable(handle)) passing.set(message.key, handle)
      return Reflect.apply(send, child, given)
    },
  })
  worker.on('exit', () => {
    // One that had arrived is closed already, and closing it again does nothing.
    for (const handle of passing.values()) handle.close()
    passing.clear()
  })
}

type Closable = { readonly close: () => void }

function isClosable(handle: unknown): handle is Closable {
  return (
    typeof handle === 'object' && handle !== null && 'close' in handle && typeof handle.close === 'function'
  )
}

/** The cluster's own message, whose `key` names the listening port. */
function isNewConnection(message: unknown): message is { readonly key: unknown } {
  if (typeof message !== 'object' || message === null) return false
  return 'act' in message && message.act === 'newconn' && 'key' in message
}
