/** Where passphrases and identities come from: files, the environment, standard input, the terminal. */
import { WarpError } from '../base/errors.ts'
import { readNamedFile } from './output.ts'
import { askPassphrase } from './terminal.ts'
import type { Context } from './context.ts'
import type { BaseOptions, Identity, Keys } from '../index.ts'

/** The longest passphrase; nobody types more. */
const MAX_PASSPHRASE_BYTES = 64 * 1024

/**
 * Calls `use` with the keys that options and environment give; where these do not do, the terminal is
 * asked, once. Keys are zeroed afterwards.
 */
export async function withKeys<T>(context: Context, use: (keys: Keys & BaseOptions) => Promise<T>): Promise<T> {
  const { args, signal } = context
  let asked: Promise<Uint8Array | undefined> | undefined
  const basePassphrase = await readPassphraseFile(context, 'base-passphrase-file')
  const keys: Keys & BaseOptions = {
    passphrase: await readPassphraseFile(context, 'passphrase-file') ?? variablePassphrase(),
    identities: await readIdentities(args.texts('identity')),
    askPassphrase: async () => await (asked ??= askPassphrase('Passphrase: ', signal)) ?? null,
  }
  keys.base = args.text('base')
  if (basePassphrase !== undefined) keys.baseKeys = { ...keys, passphrase: basePassphrase }
  try {
    return await use(keys)
  } finally {
    wipeKeys(keys)
    basePassphrase?.fill(0)
    ;(await asked)?.fill(0)
  }
}

/**
 * What opens the base of a new archive: options of its own, else the passphrase of the new archive, else what
 * is typed.
 */
export async function readBaseKeys(context: Context, otherwise: Uint8Array | undefined): Promise<Keys> {
  return await readKeysFor(context, 'base', ['thin'], 'Passphrase of the base: ', otherwise)
}

/** What opens the archives of --reuse: options of its own, else WARP_PASSPHRASE, else what is typed. */
export async function readReuseKeys(context: Context): Promise<Keys> {
  return await readKeysFor(context, 'reuse', [], 'Passphrase of what is reused: ', undefined)
}

/** @param needing further options that mean nothing without `option` */
async function readKeysFor(
  context: Context, option: string, needing: readonly string[], prompt: string, otherwise: Uint8Array | undefined,
): Promise<Keys> {
  const { args, signal } = context
  if (args.text(option) === undefined) {
    const stray = [...needing, `${option}-passphrase-file`, `${option}-identity`].find(name => args.flag(name))
    if (stray !== undefined) throw new WarpError('ERR_WARP_USAGE', `--${stray} needs --${option}`)
    return {}
  }
  return {
    passphrase: await readPassphraseFile(context, `${option}-passphrase-file`) ?? otherwise?.slice() ?? variablePassphrase(),
    identities: await readIdentities(args.texts(`${option}-identity`)),
    askPassphrase: async () => await askPassphrase(prompt, signal) ?? null,
  }
}

export function wipeKeys(keys: Keys): void {
  if (keys.passphrase instanceof Uint8Array) keys.passphrase.fill(0)
  for (const identity of keys.identities ?? []) wipeIdentity(identity)
}

export function wipeIdentity(identity: Identity): void {
  identity.seed.fill(0)
  identity.x25519Secret.fill(0)
  identity.signerSeed.fill(0)
}

/** The passphrase of a new archive; undefined if none is wanted. */
export async function newPassphrase(context: Context): Promise<Uint8Array | undefined> {
  const { args, signal } = context
  const fromFile = await readPassphraseFile(context, 'passphrase-file')
  if (fromFile !== undefined) return fromFile
  const wanted = args.flag('passphrase')
  // With recipients given, a passphrase that happens to be set must not open the archive as well.
  const fromVariable = wanted || args.texts('recipient').length === 0 ? variablePassphrase() : undefined
  if (fromVariable !== undefined || !wanted) return fromVariable
  const first = await askPassphrase('New passphrase: ', signal)
  if (first === undefined) {
    throw new WarpError('ERR_WARP_USAGE', 'there is no terminal to ask for a passphrase on', {
      hint: 'give --passphrase-file FILE or WARP_PASSPHRASE',
    })
  }
  const second = await askPassphrase('The same again: ', signal)
  const same = second !== undefined && Buffer.compare(first, second) === 0
  second?.fill(0)
  if (!same) throw new WarpError('ERR_WARP_USAGE', 'the two passphrases differ')
  if (first.length === 0) throw new WarpError('ERR_WARP_USAGE', 'the passphrase is empty')
  return first
}

/** §6.1: the first line of the file without its line end. */
export async function readPassphraseFile(context: Context, option: string): Promise<Uint8Array | undefined> {
  const path = context.args.text(option)
  if (path === undefined) return undefined
  const bytes = path === '-'
    ? await context.stdin.readAll(`the passphrase of --${option}`)
    : readNamedFile(path, 'passphrase file')
  let end = bytes.indexOf(0x0a)
  if (end < 0) end = bytes.length
  else if (bytes[end - 1] === 0x0d) end--
  if (end === 0 || end > MAX_PASSPHRASE_BYTES) {
    const what = end === 0 ? 'empty' : 'too long'
    throw new WarpError('ERR_WARP_USAGE', `the first line of the passphrase file ${path} is ${what}`)
  }
  const passphrase = Uint8Array.from(bytes.subarray(0, end))
  bytes.fill(0)
  return passphrase
}

function variablePassphrase(): Uint8Array | undefined {
  const text = process.env['WARP_PASSPHRASE']
  return text === undefined || text === '' ? undefined : new Uint8Array(Buffer.from(text))
}

export async function readIdentities(paths: readonly string[]): Promise<Identity[]> {
  if (paths.length === 0) return []
  const { readIdentity } = await import('../index.ts')
  return paths.map(path => {
    const bytes = readNamedFile(path, 'identity file')
    try {
      return readIdentity(bytes.toString())
    } catch (error) {
      if (!(error instanceof WarpError)) throw error
      throw new WarpError(error.code, `${path}: ${error.message}`, { hint: error.hint, cause: error })
    } finally {
      bytes.fill(0)
    }
  })
}
