/** `warp receive`, `warp send` and others as processes on this host that run at the same time, and what they use. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { WARP } from './programs.mjs'

/** Kept of what a process says. */
const TAIL_CHARACTERS = 4000

/**
 * A process that is waited for.
 * @typedef {object} Running
 * @property {import('node:child_process').ChildProcess} child
 * @property {Promise<void>} done rejects where it fails, with what it said
 * @property {() => void} kill it and what it has started; may come late
 *
 * @typedef {object} StartOptions
 * @property {string} [usage] file that takes what time(1) says
 * @property {Record<string, string>} [env]
 * @property {string} [cwd]
 */

/** Groups that must not outlive this process. @type {Set<number>} */
const groups = new Set()
process.on('exit', () => groups.forEach(killGroup))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

/** @param {number} group */
function killGroup(group) {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // it is over
  }
}

/**
 * @param {string[]} command
 * @param {StartOptions} [options]
 * @returns {Running}
 */
export function start(command, { usage, env, cwd } = {}) {
  const [program, ...args] = usage ? ['time', '-q', '-f', '%U %S %M', '-o', usage, '--', ...command] : command
  // A group of its own, since time(1) does not pass signals on.
  const child = spawn(program, args, { stdio: 'pipe', detached: true, cwd, env: { ...process.env, ...env } })
  if (child.pid) groups.add(child.pid)
  let said = ''
  child.stderr.on('data', (text) => {
    said = (said + text).slice(-TAIL_CHARACTERS)
  })
  child.stdin.on('error', () => {}) // the end tells
  const done = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => {
      groups.delete(child.pid)
      if (status === 0) resolve(undefined)
      else reject(new Error(`${command.map((word) => path.basename(word)).join(' ').slice(0, 200)} ended with ${status ?? signal}: ${said.trim()}`))
    })
  })
  done.catch(() => {}) // told to whoever waits for it
  return { child, done, kill: () => void (groups.has(child.pid) && killGroup(child.pid)) }
}

/**
 * First line that a process writes to one of its streams and that is meant.
 * @param {Running} running
 * @param {'stdout' | 'stderr'} name
 * @param {(line: string) => boolean} [isMeant] default: any
 * @returns {Promise<string>}
 */
export async function firstLine({ child, done }, name, isMeant = () => true) {
  const lines = createInterface({ input: child[name] })
  const found = new Promise((resolve) => lines.on('line', (line) => isMeant(line) && resolve(line)))
  const line = await Promise.race([found, done])
  lines.close()
  child[name].resume() // else it waits for its output to be read
  if (typeof line !== 'string') throw new Error('it ended without the line that was waited for')
  return line
}

/** What transfers of this run keep for the next: none goes on with one of another run. */
const state = mkdtempSync(path.join(tmpdir(), 'warp-bench-state-'))
process.on('exit', () => rmSync(state, { recursive: true, force: true }))

/** @param {string[]} args @param {StartOptions} [options] @returns {Running} */
export function startWarp(args, { env, ...options } = {}) {
  return start([process.execPath, WARP, ...args], { ...options, env: { XDG_STATE_HOME: state, ...env } })
}

/**
 * Starts a side that listens on this host, and gives its ticket and the port where the transport is.
 * @param {string[]} args after `warp`
 * @param {string} transport
 * @param {'stdout' | 'stderr'} ticketOn standard error where standard output carries data
 * @param {StartOptions} [options]
 * @returns {Promise<Running & {ticket: string, port: number}>}
 */
export async function startListening(args, transport, ticketOn, options) {
  const running = startWarp([...args, '--transport', transport, '--listen', '127.0.0.1:0'], options)
  try {
    const ticket = await firstLine(running, ticketOn, (line) => line.startsWith('warp1'))
    const { decodeTicket } = await loadTicket()
    const { port } = decodeTicket(ticket).addresses.find(({ transports }) => transports.includes(transport))
    return { ...running, ticket, port }
  } catch (error) {
    running.kill()
    throw error
  }
}

/**
 * The same ticket, for another port of this host: that of a proxy in between.
 * @param {string} ticket
 * @param {string} transport
 * @param {number} port
 */
export async function redirect(ticket, transport, port) {
  const { decodeTicket, encodeTicket } = await loadTicket()
  return encodeTicket({ ...decodeTicket(ticket), addresses: [{ host: '127.0.0.1', port, transports: [transport] }] })
}

/** @returns {Promise<typeof import('../../src/transfer/meetings/ticket.ts')>} */
async function loadTicket() {
  return await import('../../dist/transfer/meetings/ticket.js')
}

/**
 * CPU seconds and peak RSS in bytes of processes that have ended, each with its children.
 * @param {string[]} files as `usage` of `start`
 */
export function usageOf(files) {
  let cpuSeconds = 0
  const peakBytes = []
  for (const file of files) {
    if (!existsSync(file)) continue
    const [user, system, kib] = readFileSync(file, 'utf8').trim().split('\n').at(-1).split(' ').map(Number)
    cpuSeconds += user + system
    peakBytes.push(kib * 1024)
  }
  return { cpuSeconds, peakBytes }
}
