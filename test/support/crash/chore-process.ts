/** Orders to the owner of a volume in a process of its own (chore-main.ts). */
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ChoreOrder } from './chore-main.ts'

/** Its arguments: the volume's folder, and the file of its clock. */
export const choreMain = fileURLToPath(new URL('./chore-main.ts', import.meta.url))

/** Resolves to 200 when it is done: a walk has a status. Errors: the process ended without it. */
export function order(owner: ChildProcess, wanted: ChoreOrder): Promise<number> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the owner ended with ${code} in ${wanted.name}`))
    owner.once('exit', ended)
    owner.once('message', () => {
      owner.off('exit', ended)
      resolve(200)
    })
    owner.send(wanted)
  })
}
