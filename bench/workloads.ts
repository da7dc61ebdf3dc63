/** What is measured, and what each figure is held to: the product's divided by a peer's in the same round. */
import type { ServerName } from './servers.ts'

/** Ratios of requests a second. `must` is the gate, `aim` is where it is going; null: only reported. */
export type Target = { readonly must: number | null; readonly aim: number | null }

export type Workload = {
  readonly name: string
  /** Parameters of bench/client; `--prefix` and `--seconds` are the run's. */
  readonly client: Readonly<Record<string, string | number>>
  /** Keys that are there before the first round; the workloads that read them have the same prefix. */
  readonly fill?: Fill
  /** Versions that are made before each round by a call of their own, outside of what is measured; the round removes them. */
  readonly removes?: Versions
  readonly writes: boolean
  readonly targets: Readonly<Record<Exclude<ServerName, 'holdfast'>, Target>>
}

export type Versions = {
  readonly keys: number
  readonly size: number
  /** In the headers of their PUT; 0: none. */
  readonly complianceDays: number
}

export type Fill = { readonly prefix: string; readonly keys: number; readonly size: number }

const mib = 1024 ** 2
const kib4 = 4096

export const fills = {
  small: { prefix: 'small-', keys: 2000, size: kib4 },
  listed: { prefix: 'listed-', keys: 20_000, size: 64 },
  one: { prefix: 'one-', keys: 32, size: mib },
  sixteen: { prefix: 'sixteen-', keys: 4, size: 16 * mib },
} as const satisfies Record<string, Fill>

const held = (must: number | null, aim: number | null): Target => ({ must, aim })
const reported = held(null, null)

type Targets = Workload['targets']
const putTargets: Targets = { minio: held(2.0, 3.5), versitygw: held(1.0, 1.5) }
const readTargets: Targets = { minio: held(1.5, 2.5), versitygw: held(1.0, 2.0) }
const listTargets: Targets = { minio: held(4, 8), versitygw: held(4, null) }
const refusedTargets: Targets = { minio: held(1.0, 2.0), versitygw: held(null, 1.0) }
const deleteTargets: Targets = { minio: held(1.5, 3.0), versitygw: held(null, 1.5) }
const reportedOnly: Targets = { minio: reported, versitygw: reported }
const largePutTargets: Targets = { minio: held(0.8, 1.1), versitygw: reported }
const largeGetTargets: Targets = { minio: held(0.8, 1.2), versitygw: reported }

const locked: Versions = { keys: 64, size: 64, complianceDays: 1 }
const unlocked: Versions = { keys: 2000, size: kib4, complianceDays: 0 }

function write(name: string, client: Workload['client'], targets: Targets): Workload {
  return { name, client, writes: true, targets }
}

function read(name: string, fill: Fill, client: Workload['client'], targets: Targets): Workload {
  return { name, fill, client: { keys: fill.keys, size: fill.size, ...client }, writes: false, targets }
}

/** `concurrency` requests at a time remove what is made before each round. */
function remove(
  [name, workload, concurrency]: readonly [name: string, workload: string, concurrency: number],
  removes: Versions,
  targets: Targets,
): Workload {
  return { name, client: { workload, concurrency }, removes, writes: true, targets }
}

const put = (concurrency: number) => ({ workload: 'put', size: kib4, concurrency })
const large = (size: number, concurrency: number) => ({ workload: 'put', size, concurrency })
const c1 = { minio: held(1.2, 2.0), versitygw: reported }

export const workloads: readonly Workload[] = [
  write('PUT 4 KiB c1', put(1), c1),
  write('PUT 4 KiB c32', put(32), putTargets),
  write('PUT 4 KiB c256', put(256), reportedOnly),
  write('PUT 4 KiB COMPLIANCE c32', { ...put(32), 'compliance-days': 1 }, putTargets),
  read('GET 4 KiB c1', fills.small, { workload: 'get', concurrency: 1 }, readTargets),
  read('GET 4 KiB c32', fills.small, { workload: 'get', concurrency: 32 }, readTargets),
  read('HEAD 4 KiB c32', fills.small, { workload: 'head', concurrency: 32 }, readTargets),
  read('LIST 1,000 of 20,000 c1', fills.listed, { workload: 'list', concurrency: 1 }, listTargets),
  read('LIST 1,000 of 20,000 c8', fills.listed, { workload: 'list', concurrency: 8 }, listTargets),
  read(
    'versions 1,000 of 20,000 c1',
    fills.listed,
    { workload: 'list-versions', concurrency: 1 },
    reportedOnly,
  ),
  remove(['refused DELETE c32', 'refused-delete', 32], locked, refusedTargets),
  remove(['DELETE of a version c32', 'delete-version', 32], unlocked, deleteTargets),
  remove(['multi-delete of 100 c4', 'multi-delete', 4], { ...unlocked, size: 64 }, reportedOnly),
  {
    ...read(
      'mixed 4 KiB c32',
      fills.small,
      { workload: 'mixed', concurrency: 32 },
      {
        minio: held(3, 6),
        versitygw: held(1.5, 4),
      },
    ),
    writes: true,
  },
  write('PUT 1 MiB c16', large(mib, 16), largePutTargets),
  write('PUT 1 MiB unsigned CRC64 c16', { ...large(mib, 16), payload: 'crc64' }, largePutTargets),
  write('PUT 16 MiB c4', large(16 * mib, 4), largePutTargets),
  write('PUT 16 MiB unsigned CRC64 c4', { ...large(16 * mib, 4), payload: 'crc64' }, largePutTargets),
  read('GET 1 MiB c16', fills.one, { workload: 'get', concurrency: 16 }, largeGetTargets),
  read('GET 16 MiB c4', fills.sixteen, { workload: 'get', concurrency: 4 }, largeGetTargets),
  write(
    'multipart 256 MiB c1',
    { workload: 'multipart', size: 256 * mib, concurrency: 1, requests: 1 },
    reportedOnly,
  ),
]

/** Named apart: the servers run anew, under strace, which makes every flush take two milliseconds longer. */
export const slowFlushWorkloads: readonly Workload[] = [
  write('PUT 4 KiB c1, slow flush', put(1), { minio: held(0.8, null), versitygw: reported }),
  write('PUT 4 KiB c32, slow flush', put(32), { minio: held(2.0, null), versitygw: reported }),
]
