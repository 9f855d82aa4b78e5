/** The programs that the benchmarks call: installed from Debian where they are missing, and their versions. */
import { execFileSync, spawnSync } from 'node:child_process'
import path from 'node:path'

export const WARP = path.join(import.meta.dirname, '..', '..', 'bin', 'warp.js')

/** Debian package of each program that is called otherwise. */
const PACKAGE_OF = {
  borg: 'borgbackup', 'mkfs.ext4': 'e2fsprogs', ssh: 'openssh-client', scp: 'openssh-client', twist3: 'python3-twisted', wormhole: 'magic-wormhole',
  xz: 'xz-utils',
}

const found = new Map()

/** @param {string} program */
function isThere(program) {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0
}

/**
 * Whether a program can be called; installs its Debian package if it is missing.
 * @param {string} program
 */
export function have(program) {
  if (!found.has(program)) {
    if (!isThere(program)) install(PACKAGE_OF[program] ?? program)
    found.set(program, isThere(program))
  }
  return found.get(program)
}

/** @param {string} packageName of Debian */
export function install(packageName) {
  console.error(`installing ${packageName}`)
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', packageName], {
    stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}

/** @param {string[]} programs @throws {Error} one of them cannot be had */
export function require(programs) {
  const missing = programs.filter((program) => !have(program))
  if (missing.length > 0) throw new Error(`cannot go on without ${missing.join(', ')}`)
}

/** First line of what a program says of its version. @param {string} program */
export function versionOf(program) {
  const { stdout } = spawnSync(program, [program === 'restic' ? 'version' : '--version'], { encoding: 'utf8' })
  const line = (stdout ?? '').split('\n')[0].replace(/ compiled with.*|, by .*|\*\*\*/g, '').trim()
  return /^\D/.test(line) ? line : `${program} ${line}`
}

/** The public key of a new warp identity. @param {string} file where the identity goes */
export function makeIdentity(file) {
  const text = execFileSync(process.execPath, [WARP, 'keygen', '-o', file], { encoding: 'utf8' })
  return /warp-recipient1\w+/.exec(text)[0]
}

/** The public key of a new age identity. @param {string} file where the identity goes */
export function makeAgeKey(file) {
  execFileSync('age-keygen', ['-o', file], { stdio: 'ignore' })
  return execFileSync('age-keygen', ['-y', file], { encoding: 'utf8' }).trim()
}

/** Whether `warp COMMAND` takes an option, by its help. @param {string} command @param {string} option */
export function warpTakes(command, option) {
  return execFileSync(process.execPath, [WARP, command, '--help'], { encoding: 'utf8' }).includes(option)
}
