/**
 * Loading of the optional native packages and of their portable stand-ins: synchronous, on first use,
 * at most once a thread. Every primitive of this folder gets its implementation here.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Native package of each primitive. */
const PACKAGE_OF = {
  blake3: '@napi-rs/blake-hash',
  aead: 'sodium-native',
  argon2id: 'sodium-native',
  zstd: '@cloudpss/zstd',
  lz4: 'lz4-napi',
} as const

export type Primitive = keyof typeof PACKAGE_OF

const loaded = new Map<Primitive, unknown>()

/** The native package of a primitive as it comes, or null if it is missing or cannot be loaded. */
export function loadNative(primitive: Primitive): unknown {
  if (!loaded.has(primitive)) loaded.set(primitive, tryToLoad(PACKAGE_OF[primitive]))
  return loaded.get(primitive)
}

function tryToLoad(name: string): unknown {
  try {
    return name === '@cloudpss/zstd' ? loadPrebuild(name) : require(name)
  } catch {
    return null
  }
}

/** The addon of a package whose own entry point is an ES module that also loads what is not needed. */
function loadPrebuild(name: string): unknown {
  return require(prebuildOf(name))
}

function prebuildOf(name: string): string {
  const manifest = require.resolve(`${name}/package.json`)
  const { path } = createRequire(manifest)('node-gyp-build') as { path: (folder: string) => string }
  return path(manifest.slice(0, -'/package.json'.length))
}

/** The file of the addon of `zstd`, or null if there is none for this system. */
export function addonPath(primitive: 'zstd'): string | null {
  try {
    return prebuildOf(PACKAGE_OF[primitive])
  } catch {
    return null
  }
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
    blake3: use('blake3'), aead: use('aead'), argon2id: use('argon2id'), zstd: use('zstd'), lz4: use('lz4'),
  }
}
