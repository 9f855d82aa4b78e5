/**
 * Loading of the optional native packages and of their portable stand-ins: synchronous, on first use,
 * at most once a thread. Every primitive of this folder gets its implementation here.
 */
import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(import.meta.url)
const { platform, arch } = process

/**
 * Opens the native package of each primitive: its addon directly where that can be found. The packages' own
 * entry points look for it in more places, and load more modules for that, on every thread.
 */
const OPEN = {
  blake3: openBlakeHash,
  aead: openSodium,
  argon2id: openSodium,
  x25519: openSodium,
  zstd: () => require(zstdAddon()) as unknown,
  lz4: () => require('lz4-napi') as unknown,
} as const

export type Primitive = keyof typeof OPEN

const loaded = new Map<Primitive, unknown>()

/** The native package of a primitive as it comes, or null if it is missing or cannot be loaded. */
export function loadNative(primitive: Primitive): unknown {
  if (!loaded.has(primitive)) loaded.set(primitive, tryToLoad(OPEN[primitive]))
  return loaded.get(primitive)
}

function tryToLoad(open: () => unknown): unknown {
  try {
    return open()
  } catch {
    return null
  }
}

function openBlakeHash(): unknown {
  const own = createRequire(require.resolve('@napi-rs/blake-hash'))
  const systems = { linux: ['-gnu', '-musl'], win32: ['-msvc'] }[platform as string] ?? ['']
  for (const system of systems) {
    const addon = tryToLoad(() => own(`@napi-rs/blake-hash-${platform}-${arch}${system}`))
    if (addon !== null) return addon
  }
  return require('@napi-rs/blake-hash') as unknown
}

function openSodium(): unknown {
  const folder = path.dirname(require.resolve('sodium-native/package.json'))
  return require(path.join(folder, 'prebuilds', `${platform}-${arch}`, 'sodium-native.node')) as unknown
}

/** The package's own entry point is an ES module that also loads what is not needed. */
function zstdAddon(): string {
  const manifest = require.resolve('@cloudpss/zstd/package.json')
  const { path } = createRequire(manifest)('node-gyp-build') as { path: (folder: string) => string }
  return path(manifest.slice(0, -'/package.json'.length))
}

/** The file of the addon of `zstd`, or null if there is none for this system. */
export function addonPath(): string | null {
  return tryToLoad(zstdAddon) as string | null
}

/** A pure JavaScript or WebAssembly package. */
export function loadPortable(name: string): unknown {
  return require(name)
}

/** Two implementations of one primitive, each opened on first use. */
export interface Choice<T> {
  /** Null where the native package cannot be loaded. */
  readonly native: () => T | null
  readonly portable: () => T
  /** The native one where it loads and `WARP_PORTABLE` is not `1`, else the portable one. */
  readonly chosen: () => T
}

export function choose<T>(
  primitive: Primitive, openNative: (loaded: unknown) => T, openPortable: () => T,
): Choice<T> {
  let native: T | null | undefined
  let portable: T | undefined
  let chosen: T | undefined
  const choice = {
    native: () => {
      if (native === undefined) {
        const module = loadNative(primitive)
        native = module === null ? null : openNative(module)
      }
      return native
    },
    portable: () => portable ??= openPortable(),
    chosen: () => chosen ??= (isPortableDemanded() ? null : choice.native()) ?? choice.portable(),
  }
  return choice
}

function isPortableDemanded(): boolean {
  return process.env['WARP_PORTABLE'] === '1'
}

/** Which implementation of each primitive is in use. Loads every native package. */
export function implementations(): Record<Primitive, 'native' | 'portable'> {
  const use = (primitive: Primitive): 'native' | 'portable' =>
    isPortableDemanded() || loadNative(primitive) === null ? 'portable' : 'native'
  return {
    blake3: use('blake3'), aead: use('aead'), argon2id: use('argon2id'), x25519: use('x25519'), zstd: use('zstd'), lz4: use('lz4'),
  }
}
