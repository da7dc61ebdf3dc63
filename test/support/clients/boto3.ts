/** A Python with the boto3 of test/clients/requirements.txt: the machine's own, or one made once in the user's cache. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from './command.ts'

const requirements = join(import.meta.dirname, '..', '..', 'clients', 'requirements.txt')

/** The path of the interpreter. Rejects with what pip said when boto3 cannot be installed. */
export async function pythonWithBoto3(): Promise<string> {
  const text = readFileSync(requirements, 'utf8')
  const version = /^boto3==(\S+)$/m.exec(text)?.[1]
  if (version === undefined) throw new Error('requirements.txt does not pin boto3')
  if ((await boto3Version('python3')) === version) return 'python3'
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'holdfast')
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16)
  const directory = join(cache, `boto3-${hash}`)
  const python = join(directory, 'bin', 'python')
  if ((await boto3Version(python)) === version) return python
  mkdirSync(cache, { recursive: true })
  rmSync(directory, { recursive: true, force: true })
  await install(directory)
  const installed = await boto3Version(python)
  if (installed !== version) throw new Error(`${python} imports boto3 ${installed}, not ${version}`)
  return python
}

/** Made beside its place and renamed into it, so that a run that was ended in between leaves nothing that looks whole. */
async function install(directory: string): Promise<void> {
  const half = `${directory}.${process.pid}`
  try {
    await succeed('python3', ['-m', 'venv', half], 'apt-get install python3-venv')
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]
    await succeed(join(half, 'bin', 'python'), pip, 'pip must reach a package index')
    // Another run may have finished the same in the meantime: its result is as good.
    if (!existsSync(directory)) renameSync(half, directory)
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
}

async function boto3Version(python: string): Promise<string | null> {
  if (python.includes('/') && !existsSync(python)) return null
  const outcome = await runCommand(python, ['-c', 'import boto3; print(boto3.__version__)'], {
    env: environment(),
  })
  return outcome.code === 0 ? outcome.stdout.trim() : null
}

async function succeed(command: string, args: readonly string[], remedy: string): Promise<void> {
  const { code, stdout, stderr } = await runCommand(command, args, { env: environment() })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} (${remedy}):\n${stdout}${stderr}`)
}

/** The user's own: pip finds its index and proxies there. */
function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])),
  )
}
