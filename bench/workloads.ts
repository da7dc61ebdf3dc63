/** What is measured, and what each figure is held to: the product's divided by a peer's in the same round. */

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
  /** Left out: what every server has. */
  readonly needs?: Need
  readonly targets: Readonly<Record<JudgedPeer, Target>>
}

/** `versions`: with Object Lock. `listing`: of thousands of keys. */
export type Need = 'versions' | 'listing'

/** The servers that ratios are held to. */
export type JudgedPeer = 'minio' | 'versitygw'

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
  million: { prefix: 'million-', keys: 1_000_000, size: 64 },
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
const mixedTargets: Targets = { minio: held(3, 6), versitygw: held(1.5, 4) }
const largePutTargets: Targets = { minio: held(0.8, 1.1), versitygw: reported }
const largeGetTargets: Targets = { minio: held(0.8, 1.2), versitygw: reported }

const locked: Versions = { keys: 64, size: 64, complianceDays: 1 }
const unlocked: Versions = { keys: 2000, size: kib4, complianceDays: 0 }
const tiny: Versions = { ...unlocked, size: 64 }

function write(name: string, client: Workload['client'], targets: Targets): Workload {
  return { name, client, writes: true, targets }
}

function read(name: string, fill: Fill, client: Workload['client'], targets: Targets): Workload {
  return { name, fill, client: { keys: fill.keys, size: fill.size, ...client }, writes: false, targets }
}

function needing(needs: Need, workload: Workload): Workload {
  return { ...workload, needs }
}

/** `concurrency` requests at a time remove what is made before each round. */
function remove(
  [name, workload, concurrency]: readonly [name: string, workload: string, concurrency: number],
  removes: Versions,
  targets: Targets,
): Workload {
  return { name, client: { workload, concurrency }, removes, writes: true, needs: 'versions', targets }
}

const put = (concurrency: number) => ({ workload: 'put', size: kib4, concurrency })
const locking = (concurrency: number) => ({ ...put(concurrency), 'compliance-days': 1 })
const large = (size: number, concurrency: number) => ({ workload: 'put', size, concurrency })
const crc64 = (size: number, concurrency: number) => ({ ...large(size, concurrency), payload: 'crc64' })
const get = (concurrency: number) => ({ workload: 'get', concurrency })
const head = (concurrency: number) => ({ workload: 'head', concurrency })
const list = (concurrency: number) => ({ workload: 'list', concurrency })
const listVersions = (concurrency: number) => ({ workload: 'list-versions', concurrency })
/** One object of 256 MiB for each that is uploaded at a time. */
const multipart = (concurrency: number) => ({
  ...{ workload: 'multipart', size: 256 * mib, concurrency, requests: concurrency },
})

/** What `npm run bench` measures. */
export const workloads: readonly Workload[] = [
  write('PUT 4 KiB c1', put(1), { minio: held(1.2, 2.0), versitygw: reported }),
  write('PUT 4 KiB c32', put(32), putTargets),
  write('PUT 4 KiB c256', put(256), reportedOnly),
  needing('versions', write('PUT 4 KiB COMPLIANCE c32', locking(32), putTargets)),
  read('GET 4 KiB c1', fills.small, get(1), readTargets),
  read('GET 4 KiB c32', fills.small, get(32), readTargets),
  read('HEAD 4 KiB c32', fills.small, head(32), readTargets),
  needing('listing', read('LIST 1,000 of 20,000 c1', fills.listed, list(1), listTargets)),
  needing('listing', read('LIST 1,000 of 20,000 c8', fills.listed, list(8), listTargets)),
  needing('versions', read('versions 1,000 of 20,000 c1', fills.listed, listVersions(1), reportedOnly)),
  remove(['refused DELETE c32', 'refused-delete', 32], locked, refusedTargets),
  remove(['DELETE of a version c32', 'delete-version', 32], unlocked, deleteTargets),
  remove(['multi-delete of 100 c4', 'multi-delete', 4], tiny, reportedOnly),
  needing('listing', {
    ...read('mixed 4 KiB c32', fills.small, { workload: 'mixed', concurrency: 32 }, mixedTargets),
    writes: true,
  }),
  write('PUT 1 MiB c16', large(mib, 16), largePutTargets),
  write('PUT 1 MiB unsigned CRC64 c16', crc64(mib, 16), largePutTargets),
  write('PUT 16 MiB c4', large(16 * mib, 4), largePutTargets),
  write('PUT 16 MiB unsigned CRC64 c4', crc64(16 * mib, 4), largePutTargets),
  read('GET 1 MiB c16', fills.one, get(16), largeGetTargets),
  read('GET 16 MiB c4', fills.sixteen, get(4), largeGetTargets),
  write('multipart 256 MiB c1', multipart(1), reportedOnly),
]

/**
 * The same with more or fewer requests at a time, which nothing is held to: only with `--all`. Each set has servers of its own,
 * whose volumes go when it is done: together they would fill a disk.
 */
export const furtherSets: readonly (readonly Workload[])[] = [
  [
    needing('versions', write('PUT 4 KiB COMPLIANCE c1', locking(1), reportedOnly)),
    needing('versions', write('PUT 4 KiB COMPLIANCE c256', locking(256), reportedOnly)),
    read('GET 4 KiB c256', fills.small, get(256), reportedOnly),
    read('HEAD 4 KiB c1', fills.small, head(1), reportedOnly),
    read('HEAD 4 KiB c256', fills.small, head(256), reportedOnly),
    needing('listing', read('LIST 1,000 of 20,000 c32', fills.listed, list(32), reportedOnly)),
    needing('versions', read('versions 1,000 of 20,000 c32', fills.listed, listVersions(32), reportedOnly)),
    remove(['refused DELETE c1', 'refused-delete', 1], locked, reportedOnly),
    remove(['DELETE of a version c1', 'delete-version', 1], unlocked, reportedOnly),
    remove(['multi-delete of 100 c1', 'multi-delete', 1], tiny, reportedOnly),
    remove(['multi-delete of 100 c32', 'multi-delete', 32], { ...tiny, keys: 10_000 }, reportedOnly),
    needing('listing', read('LIST 1,000 of 20,000 c256', fills.listed, list(256), reportedOnly)),
    needing('versions', read('versions 1,000 of 20,000 c256', fills.listed, listVersions(256), reportedOnly)),
    remove(['refused DELETE c256', 'refused-delete', 256], { ...locked, keys: 512 }, reportedOnly),
    remove(['DELETE of a version c256', 'delete-version', 256], { ...unlocked, keys: 5000 }, reportedOnly),
    remove(['multi-delete of 100 c256', 'multi-delete', 256], { ...tiny, keys: 25_600 }, reportedOnly),
  ],
  [
    write('PUT 1 MiB c1', large(mib, 1), reportedOnly),
    write('PUT 1 MiB c32', large(mib, 32), reportedOnly),
    write('PUT 1 MiB unsigned CRC64 c1', crc64(mib, 1), reportedOnly),
    write('PUT 16 MiB c1', large(16 * mib, 1), reportedOnly),
    write('PUT 16 MiB c32', large(16 * mib, 32), reportedOnly),
    write('PUT 16 MiB unsigned CRC64 c1', crc64(16 * mib, 1), reportedOnly),
    read('GET 1 MiB c1', fills.one, get(1), reportedOnly),
    read('GET 1 MiB c32', fills.one, get(32), reportedOnly),
    read('GET 16 MiB c1', fills.sixteen, get(1), reportedOnly),
    read('GET 16 MiB c32', fills.sixteen, get(32), reportedOnly),
    write('PUT 1 MiB c256', large(mib, 256), reportedOnly),
    read('GET 1 MiB c256', fills.one, get(256), reportedOnly),
    read('GET 16 MiB c256', fills.sixteen, get(256), reportedOnly),
  ],
  [write('multipart 256 MiB c4', multipart(4), reportedOnly)],
  [
    needing('listing', read('LIST 1,000 of 1,000,000 c1', fills.million, list(1), reportedOnly)),
    needing('listing', read('LIST 1,000 of 1,000,000 c8', fills.million, list(8), reportedOnly)),
  ],
]

/** Named apart: the servers run anew, under strace, which makes every flush take two milliseconds longer. */
export const slowFlushWorkloads: readonly Workload[] = [
  write('PUT 4 KiB c1, slow flush', put(1), { minio: held(0.8, null), versitygw: reported }),
  write('PUT 4 KiB c32, slow flush', put(32), { minio: held(2.0, null), versitygw: reported }),
]
