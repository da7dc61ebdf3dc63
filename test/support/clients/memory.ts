/** Anonymous memory of a server's processes while something large goes through them. */
import { readFileSync } from 'node:fs'

export type MemoryWatch = {
  /** The most seen of any process so far, by its pid. */
  readonly rssAnonBytesMax: () => ReadonlyMap<number, number>
  readonly stop: () => void
}

const sampleMs = 50

/** Watches the workers (the children of `supervisorPid`) and the supervisor itself. */
export function watchMemory(supervisorPid: number): MemoryWatch {
  const pids = [supervisorPid, ...childrenOf(supervisorPid)]
  const most = new Map(pids.map((pid) => [pid, 0]))
  const sample = () => {
    for (const pid of pids) most.set(pid, Math.max(most.get(pid) ?? 0, rssAnonBytes(pid)))
  }
  sample()
  const timer = setInterval(sample, sampleMs)
  return {
    rssAnonBytesMax: () => {
      sample()
      return most
    },
    stop: () => clearInterval(timer),
  }
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

/** What the process cannot give back by forgetting files: its heaps and buffers, not the page cache. */
function rssAnonBytes(pid: number): number {
  const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/status has no RssAnon`)
  return Number(kibibytes) * 1024
}
