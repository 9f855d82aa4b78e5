/** The optional package koffi: calls into shared libraries. Loaded on first use, at most once a thread. */
import { createRequire } from 'node:module'
import type * as Package from 'koffi'

export type Koffi = typeof Package

let loaded: Koffi | null | undefined

/** koffi, or null where it is not installed, has no binary for this system, or WARP_NO_KOFFI is 1. */
export function loadKoffi(): Koffi | null {
  if (process.env['WARP_NO_KOFFI'] === '1') return null
  if (loaded === undefined) loaded = tryToLoad()
  return loaded
}

function tryToLoad(): Koffi | null {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi
  } catch {
    return null
  }
}
