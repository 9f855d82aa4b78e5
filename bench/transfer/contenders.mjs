/** Who moves a file or a tree from one end to the other, and how each is started. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { firstLine, redirect, start, startListening, startWarp, usageOf } from '../support/transfers.mjs'
import { WARP } from '../support/programs.mjs'
import { SSH_USER, startSshd, sshOptions } from './ssh.mjs'

/**
 * @typedef {object} Job
 * @property {string} title
 * @property {string} source file or directory
 * @property {boolean} isTree
 * @property {number} bytes
 * @property {number} bareBytes what a bare transport is to move instead
 * @property {string} [archive] of the tree
 * @property {(port: number) => Promise<number>} through the port to connect to, for one that listens
 * @property {boolean} isDirect there is no proxy
 *
 * @typedef {object} Place
 * @property {string} target empty directory for what arrives
 * @property {(name: string) => string} usage file for what a process uses
 *
 * @typedef {object} Contender
 * @property {string} name
 * @property {'bare' | 'stage' | 'warp' | 'peer'} kind
 * @property {string} [transport]
 * @property {'exact' | 'content'} [check] of what arrives
 * @property {(job: Job, place: Place) => Promise<number>} run gives wall seconds, to when all is on the disk
 */

const BARE = path.join(import.meta.dirname, 'bare.mjs')

/** To the disk: one file, or the file system of a directory. @param {Job} job @param {string} target */
function sync({ isTree }, target) {
  const { status } = spawnSync('sync', isTree ? ['-f', target] : [path.join(target, 'arrived')])
  if (status !== 0) throw new Error('nothing arrived')
}

/** @param {() => Promise<unknown>} work @returns {Promise<number>} seconds */
async function timed(work) {
  const startedMs = performance.now()
  await work()
  return (performance.now() - startedMs) / 1e3
}

/** A run that takes longer hangs. */
const LIMIT_MS = 15 * 60_000
/** For the others, once one has failed, to say why. */
const LAST_WORDS_MS = 2000

/**
 * Runs until all end or one fails.
 * @param {import('../support/transfers.mjs').Running[]} processes
 * @throws {Error} what each of those that failed has said
 */
async function together(processes) {
  const all = processes.map(({ done }) => done)
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${LIMIT_MS / 60_000} minutes`)), LIMIT_MS)
  })
  try {
    await Promise.race([Promise.all(all), limit])
  } catch (error) {
    setTimeout(() => processes.forEach(({ kill }) => kill()), LAST_WORDS_MS)
    const reasons = (await Promise.allSettled(all)).flatMap(({ reason }) => reason ? [reason.message] : [])
    throw new Error([...new Set([error.message, ...reasons])].join('; '), { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

/** @param {import('../support/transfers.mjs').Running} running */
function silent(running) {
  running.child.stdout.resume()
  return running
}

/** @param {string} transport @returns {Contender} */
export function bare(transport) {
  return {
    name: `${transport}, bare`, kind: 'bare', transport,
    run: async ({ bareBytes, through }, { usage }) => {
      const receiver = start([process.execPath, BARE, 'receive', transport], { usage: usage('receiver') })
      try {
        const [port, fingerprint] = (await firstLine(receiver, 'stdout')).split(' ')
        const connectTo = await through(Number(port))
        return await timed(() => together([
          receiver,
          silent(start([process.execPath, BARE, 'send', transport, String(connectTo), fingerprint, String(bareBytes)], { usage: usage('sender') })),
        ]))
      } finally {
        receiver.kill()
      }
    },
  }
}

/** @param {string} transport @returns {Contender} */
export function warp(transport) {
  return {
    name: `warp, ${transport}`, kind: 'warp', transport, check: 'exact',
    run: async (job, { target, usage }) => {
      const { isTree, source, through } = job
      const into = isTree ? ['-C', target] : ['-o', path.join(target, 'arrived')]
      const receiver = await startListening(['receive', '--quiet', ...into], transport, 'stdout', { usage: usage('receiver') })
      try {
        const port = await through(receiver.port)
        const ticket = port === receiver.port ? receiver.ticket : await redirect(receiver.ticket, transport, port)
        const what = isTree ? [path.basename(source)] : ['--archive', source]
        return await timed(async () => {
          await together([
            receiver,
            silent(startWarp(['send', '--quiet', ...what, '--transport', transport], {
              usage: usage('sender'), cwd: path.dirname(source), env: { WARP_TICKET: ticket },
            })),
          ])
          sync(job, target)
        })
      } finally {
        receiver.kill()
      }
    },
  }
}

/** Both ends of a tree, each for itself: the slower one is a floor. @returns {Contender[]} */
export function stages() {
  const run = (/** @type {(job: Job, target: string) => string[]} */ command, /** @type {boolean} */ writes) =>
    async (/** @type {Job} */ job, /** @type {Place} */ { target, usage }) => await timed(async () => {
      await together([silent(start([process.execPath, WARP, ...command(job, target)], { usage: usage('sender'), cwd: path.dirname(job.source) }))])
      if (writes) sync(job, target)
    })
  return [
    { name: 'warp create, to nowhere', kind: 'stage', run: run(({ source }) => ['create', '--quiet', '-o', '-', path.basename(source)], false) },
    { name: 'warp extract', kind: 'stage', run: run(({ archive }, target) => ['extract', '--quiet', '-C', target, archive], true) },
  ]
}

/**
 * rsync or scp, through a server that is there already.
 * @param {'rsync' | 'scp'} program
 * @param {string} keys
 * @returns {Contender}
 */
export function overSsh(program, keys) {
  return {
    name: program === 'rsync' ? 'rsync -e ssh' : 'scp', kind: 'peer', check: program === 'rsync' ? 'exact' : 'content',
    run: async (job, { target, usage }) => {
      const server = await startSshd(keys, usage('receiver'))
      try {
        const port = String(await job.through(server.port))
        const to = `${SSH_USER}@127.0.0.1:${target}/${job.isTree ? '' : 'arrived'}`
        const command = program === 'rsync'
          ? ['rsync', '-a', '-e', `ssh ${sshOptions(keys).join(' ')} -p ${port}`, job.source, to]
          : ['scp', '-q', ...(job.isTree ? ['-r'] : []), ...sshOptions(keys), '-P', port, job.source, to]
        return await timed(async () => {
          await together([silent(start(command, { usage: usage('sender') }))])
          sync(job, target)
        })
      } finally {
        await server.stop()
      }
    },
  }
}

/**
 * Directly on this host; through the proxy only by a relay, so that the line is on both sides of it.
 * @param {Awaited<ReturnType<typeof import('./wormhole.mjs').startWormhole>>} servers
 * @returns {Contender}
 */
export function wormhole(servers) {
  return {
    name: 'magic-wormhole', kind: 'peer', check: 'content',
    run: async (job, { target, usage }) => {
      const command = servers.command(job.isDirect ? servers.relay : await job.through(servers.relay))
      const code = servers.code()
      const listen = job.isDirect ? [] : ['--no-listen']
      const into = path.join(target, job.isTree ? path.basename(job.source) : 'arrived')
      return await timed(async () => {
        await together([
          silent(start([...command, 'send', '--hide-progress', ...listen, '--code', code, job.source], { usage: usage('sender') })),
          silent(start([...command, 'receive', '--hide-progress', '--accept-file', ...listen, '-o', into, code], { usage: usage('receiver') })),
        ])
        sync(job, target)
      })
    },
  }
}

/** @param {(name: string) => string} usage as `Place` gives it */
export function usageOfBothEnds(usage) {
  return usageOf([usage('sender'), usage('receiver')])
}
