/** Keys that are there before the first round, and workloads for a machine that has other things to do. */
import { runClient } from './client.ts'
import { isAnswered, type RunningServer } from './servers.ts'
import { fills, type Workload } from './workloads.ts'

const mib = 1024 ** 2

/** What the chosen workloads read. */
export async function fillAll(
  server: RunningServer,
  chosen: readonly Workload[],
  isSmoke: boolean,
): Promise<void> {
  for (const { prefix, keys, size: fullSize } of Object.values(fills)) {
    const readers = chosen.filter((workload) => workload.fill?.prefix === prefix)
    if (!readers.some((workload) => isAnswered(server.name, workload))) continue
    const count = isSmoke ? smallKeys(keys) : keys
    const size = isSmoke ? Math.min(fullSize, mib) : fullSize
    const concurrency = Math.min(32, count)
    await runClient(server, {
      workload: 'fill',
      prefix,
      keys: count,
      size,
      concurrency,
      seconds: 3600,
    })
  }
}

/** The same with as few requests, keys and bytes as it can have. */
export function small(workload: Workload): Workload {
  const { client, fill, removes } = workload
  const size = Math.min(Number(client['size'] ?? 0), client['workload'] === 'multipart' ? 16 * mib : mib)
  const concurrency = Math.min(Number(client['concurrency']), 8)
  const keys = fill === undefined ? 100 : smallKeys(fill.keys)
  const made = removes === undefined ? {} : { removes: { ...removes, keys: Math.min(removes.keys, 100) } }
  return { ...workload, ...made, client: { ...client, keys, size, concurrency, requests: 8 } }
}

function smallKeys(keys: number): number {
  return Math.min(keys, keys > 2000 ? 1100 : 4)
}
