/** Argon2id as §3 has it: version 0x13, one lane, 32 bytes. Source: RFC 9106. */
import { WarpError } from '../base/errors.ts'
import {
  ARGON2_MAX_ITERATIONS, ARGON2_MAX_MEMORY_KIB, ARGON2_MIN_MEMORY_KIB, KEY_BYTES, KIB,
} from '../base/limits.ts'
import { choose, loadPortable } from './native.ts'

export const SALT_BYTES = 16

export type Argon2id =
  (passphrase: Uint8Array, salt: Uint8Array, iterations: number, memoryKib: number) => Uint8Array

/** The addon takes lengths on trust. */
interface NativePackage {
  crypto_pwhash(
    out: Uint8Array, passphrase: Uint8Array, salt: Uint8Array,
    iterations: number, memoryBytes: number, algorithm: number,
  ): number
  crypto_pwhash_ALG_ARGON2ID13: number
}

function openNative(module: unknown): Argon2id {
  const { crypto_pwhash: run, crypto_pwhash_ALG_ARGON2ID13: algorithm } = module as NativePackage
  return (passphrase, salt, iterations, memoryKib) => {
    const out = new Uint8Array(KEY_BYTES)
    if (run(out, passphrase, salt, iterations, memoryKib * KIB, algorithm) !== 0) throw new Error('Argon2id: out of memory')
    return out
  }
}

function openPortable(): Argon2id {
  const noble = loadPortable('@noble/hashes/argon2.js') as typeof import('@noble/hashes/argon2.js')
  // The package's own limit on memory lies a little below ARGON2_MAX_MEMORY_KIB.
  const maxmem = 2 * ARGON2_MAX_MEMORY_KIB * KIB
  return (passphrase, salt, iterations, memoryKib) =>
    noble.argon2id(passphrase, salt, { t: iterations, m: memoryKib, p: 1, dkLen: KEY_BYTES, maxmem })
}

export const { native, portable, chosen } = choose('argon2id', openNative, openPortable)

/**
 * @param salt 16 bytes
 * @param iterations 1 … ARGON2_MAX_ITERATIONS
 * @param memoryKib ARGON2_MIN_MEMORY_KIB … ARGON2_MAX_MEMORY_KIB
 * @returns 32 bytes
 * @throws {WarpError} ERR_WARP_LIMIT: a cost is out of range
 * @throws {RangeError} the salt has another length
 */
export function argon2id(
  passphrase: Uint8Array, salt: Uint8Array, iterations: number, memoryKib: number, run: Argon2id = chosen(),
): Uint8Array {
  if (salt.length !== SALT_BYTES) throw new RangeError('salt is not 16 bytes')
  if (!isBetween(iterations, 1, ARGON2_MAX_ITERATIONS)
    || !isBetween(memoryKib, ARGON2_MIN_MEMORY_KIB, ARGON2_MAX_MEMORY_KIB)) {
    throw new WarpError('ERR_WARP_LIMIT', `Argon2id: ${iterations} times ${memoryKib} KiB is out of range`)
  }
  return run(passphrase, salt, iterations, memoryKib)
}

function isBetween(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max
}
