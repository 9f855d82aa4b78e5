/** Servers for magic-wormhole on this host: the mailbox in which the two sides meet, and a relay between them. */
import { start } from '../support/transfers.mjs'
import { freePort, waitForPort } from './ports.mjs'

/** @param {string} folder for the state of the mailbox */
export async function startWormhole(folder) {
  const [mailbox, relay] = [await freePort(), await freePort()]
  const servers = [
    ['wormhole-mailbox', `--port=tcp:${mailbox}:interface=127.0.0.1`, '--channel-db=channels.sqlite'],
    ['transitrelay', `--port=tcp:${relay}:interface=127.0.0.1`],
  ].map((args) => start(['twist3', ...args], { cwd: folder }))
  servers.forEach(({ child }) => child.stdout.resume())
  await waitForPort(mailbox, servers[0].done)
  await waitForPort(relay, servers[1].done)
  let channel = 1
  return {
    relay,
    /** A code for one transfer. */
    code: () => `${channel++}-bench-transfer`,
    /** @param {number} relayPort as it is to be reached */
    command: (relayPort) => ['wormhole', '--relay-url', `ws://127.0.0.1:${mailbox}/v1`, '--transit-helper', `tcp:127.0.0.1:${relayPort}`],
  }
}
