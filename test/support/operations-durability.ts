/** What docs/OPERATIONS.md promises of the disk: the flushes of each request and chore, out of the tables that the rig is driven by. */
import { limits } from '../../src/lib/limits.ts'
import { chores } from './crash/chores.ts'
import { type Flush, mutations } from './crash/mutations.ts'
import { table } from './markdown.ts'

const flushes: Readonly<Record<Flush, string>> = {
  'body bytes': '`fsync` of the staged file',
  'body name': '`fsync` of the folder that the body was linked into',
  'stage name': '`fsync` of the stage, so that recovery finds what was in flight',
  'store pages': '`fdatasync` of the store: every row of the commit, the audit record among them',
  'store root': 'the root page, written with `O_DSYNC`: the commit is the store’s state',
}

export const durability = `## Durability

A 200 means: on the disk. The first byte of an answer leaves after these flushes have ended, in this order, the two names side by side; a refusal waits for its audit record like any
write. A read sees only what is durable: a commit is visible after its flush. A flush that fails is answered with 503, with 507 where it was for want of room, and never tried again.

Three requests may have to wait for longer than a client does: CopyObject, UploadPartCopy and CompleteMultipartUpload. Where one takes more than ${limits.answerPatienceMs / 1000} seconds, its 200 and white space go
ahead, as at S3, and the document below is the answer: the result after the flushes above, or an \`Error\`, by which nothing was done. Clients of S3 look for it; what looks at
the status alone has to read the document, too.

${table(['Flush', 'What is durable by it'], Object.entries(flushes))}

The next table has every operation that writes. \`test/crash/every-step.test.ts\` stops each at every step and holds it to this table, and the table to the operations;
\`test/crash/durable-before-answer.test.ts\` watches system calls with another tool, strace. What is tested besides is in [Reliability](RELIABILITY.md).

${table(
  ['Request', 'Flushes before the answer'],
  mutations.map((mutation) => [mutation.name, mutation.flushes.join(', ')]),
)}

What servers do by themselves, in this order; a commit is the flush of the store’s pages, then that of its root. \`test/crash/every-chore-step.test.ts\` stops each
at every step, too.

${table(
  ['Work', 'Steps'],
  chores.map((chore) => [chore.name, chore.steps.join(', ')]),
)}

Garbage goes only after the commit that made it waste: it is unlinked, its folder flushed, and only then a commit takes away its rows.`
