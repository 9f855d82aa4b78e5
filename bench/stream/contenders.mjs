/** What carries the messages: processes with a pipe into the first and one out of the last. */
import net from 'node:net'
import path from 'node:path'
import { firstLine, redirect, start, startListening, startWarp } from '../support/transfers.mjs'

/**
 * @typedef {object} Ends
 * @property {import('node:stream').Writable} write
 * @property {import('node:stream').Readable} read
 * @property {Promise<never>} failed
 * @property {(error: Error) => void} fail
 * @property {() => Promise<void>} close the orderly end, and that all processes say so
 * @property {() => void} kill whatever still runs
 *
 * @typedef {object} Contender
 * @property {string} title
 * @property {(through: (port: number) => Promise<number>) => Promise<Ends>} open `through` gives the port to connect to instead
 */

const PLAIN = path.join(import.meta.dirname, 'plain-tcp.mjs')

/**
 * @param {import('node:stream').Writable} write
 * @param {import('node:stream').Readable} read
 * @param {import('../support/transfers.mjs').Running[]} processes
 * @returns {Ends}
 */
function endsOf(write, read, processes) {
  let fail
  const failed = new Promise((_, reject) => {
    fail = reject
  })
  failed.catch(() => {})
  for (const { done } of processes) done.catch(fail)
  for (const stream of [write, read]) stream.on('error', fail)
  return {
    write, read, failed, fail,
    close: async () => {
      write.end()
      await Promise.race([Promise.all(processes.map(({ done }) => done)), failed])
    },
    kill: () => processes.forEach(({ kill }) => kill()),
  }
}

/** @param {string} transport @returns {Contender} */
function warp(transport) {
  return {
    title: `warp, ${transport}`,
    open: async (through) => {
      const receiver = await startListening(['receive', '-'], transport, 'stderr')
      const port = await through(receiver.port)
      const ticket = port === receiver.port ? receiver.ticket : await redirect(receiver.ticket, transport, port)
      const sender = startWarp(['send', '-', '--transport', transport], { env: { WARP_TICKET: ticket } })
      sender.child.stdout.resume()
      return endsOf(sender.child.stdin, receiver.child.stdout, [sender, receiver])
    },
  }
}

/** @param {string} mode of plain-tcp.mjs */
async function startPlain(mode) {
  const running = start([process.execPath, PLAIN, mode])
  return { ...running, port: Number(await firstLine(running, 'stderr')) }
}

/** @type {Record<string, Contender>} */
export const CONTENDERS = {
  quic: warp('quic'),
  tls: warp('tls'),
  webtransport: warp('webtransport'),
  plain: {
    title: 'plain TCP, the same pipes',
    open: async (through) => {
      const receiver = await startPlain('receive')
      const sender = start([process.execPath, PLAIN, 'send', String(await through(receiver.port))])
      return endsOf(sender.child.stdin, receiver.child.stdout, [sender, receiver])
    },
  },
  echo: {
    title: 'plain TCP echo, there and back',
    open: async (through) => {
      const server = await startPlain('echo')
      const socket = net.connect({ port: await through(server.port), host: '127.0.0.1', noDelay: true })
      return endsOf(socket, socket, [server])
    },
  },
}
