/** `warp keygen` */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { EXIT, WarpError } from '../../base/errors.ts'
import { wipeIdentity } from '../keys.ts'
import { describe } from '../output.ts'
import { formatTime } from '../sizes.ts'
import type { Context } from '../context.ts'
import type { CommandSpec } from '../spec.ts'

export const spec: CommandSpec = {
  name: 'keygen',
  summary: 'make an identity, which opens and signs archives',
  usage: 'keygen -o FILE',
  description: [
    'Writes a new identity to FILE, which must not exist, readable by nobody else. It holds two key pairs: '
    + 'X25519 to open archives that were encrypted to its recipient key, Ed25519 to sign archives. The '
    + 'public keys are printed and stand in FILE as comments.',
    'Whoever has the file can read those archives and sign in your name. Who loses it loses those archives.',
  ],
  operands: { min: 0, max: 0 },
  groups: [{
    title: 'Output',
    options: [
      { name: 'output', letter: 'o', value: 'FILE', completes: 'file', help: 'the identity file to make' },
    ],
  }],
  examples: [{ text: 'A new identity', command: 'warp keygen -o ~/.warp-identity' }],
  exits: ['output'],
}

export async function run({ args, output }: Context): Promise<number> {
  const path = args.required('output', '-o FILE')
  const { generateIdentity, formatIdentity, formatRecipient, formatSigner } = await import('../../index.ts')
  const identity = generateIdentity()
  const recipient = formatRecipient(identity.recipient)
  const signer = formatSigner(identity.signer)
  const secret = formatIdentity(identity)
  wipeIdentity(identity)
  writeSecret(path, [
    `# made: ${formatTime(Math.floor(Date.now() / 1000))}`,
    `# recipient: ${recipient}`,
    `# signer: ${signer}`,
    secret, '',
  ].join('\n'))
  const table = [['recipient', recipient], ['signer', signer]] as const
  await output.result({ identity: path, recipient, signer }, table, true)
  return EXIT.ok
}

/** An identity that exists is never replaced: with it, archives would be lost. */
function writeSecret(path: string, text: string): void {
  try {
    const fd = openSync(path, 'wx', 0o600)
    try {
      writeSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    const hint = exists ? 'an identity is never replaced' : undefined
    throw new WarpError('ERR_WARP_OUTPUT', `cannot make ${path}: ${describe(error)}`, { hint, cause: error })
  }
}
