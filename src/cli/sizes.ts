/** Numbers as a person writes and reads them: sizes, counts, times, modes. */
import { WarpError } from '../base/errors.ts'

const UNITS: Readonly<Record<string, number>> = {
  '': 1, b: 1,
  k: 2 ** 10, kib: 2 ** 10, kb: 1e3,
  m: 2 ** 20, mib: 2 ** 20, mb: 1e6,
  g: 2 ** 30, gib: 2 ** 30, gb: 1e9,
  t: 2 ** 40, tib: 2 ** 40, tb: 1e12,
}

/**
 * `64K`, `64KiB` (binary), `64KB` (decimal), `65536`; the unit in either case.
 * @param option for the message
 * @returns bytes, a whole number
 * @throws {WarpError} ERR_WARP_USAGE
 */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text)
  const unit = match === null ? undefined : UNITS[match[2].toLowerCase()]
  const bytes = match === null || unit === undefined ? NaN : Math.floor(Number(match[1]) * unit)
  if (!Number.isSafeInteger(bytes)) {
    throw new WarpError('ERR_WARP_USAGE', `${option} takes a size, not '${text}'`, {
      hint: 'for example 65536, 64K, 64KiB or 2G (powers of 1024), 64KB or 2GB (powers of 1000)',
    })
  }
  return bytes
}

/** @throws {WarpError} ERR_WARP_USAGE: not a whole number in [min, max] */
export function parseCount(text: string, option: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN
  if (!(value >= min && value <= max)) {
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`
    throw new WarpError('ERR_WARP_USAGE', `${option} takes a whole number ${range}, not '${text}'`)
  }
  return value
}

const TIME_UNITS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 }
/** What a timer of Node can hold. */
const MAX_DURATION_MS = 2 ** 31 - 1

/**
 * `90s`, `10m`, `24h`, `7d`; at least a second, at most 24 days.
 * @param option for the message
 * @returns milliseconds, a whole number
 * @throws {WarpError} ERR_WARP_USAGE
 */
export function parseDuration(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([smhd])$/i.exec(text)
  const durationMs = match === null ? NaN : Math.round(Number(match[1]) * TIME_UNITS[match[2].toLowerCase()])
  if (!(durationMs >= 1000 && durationMs <= MAX_DURATION_MS)) {
    throw new WarpError('ERR_WARP_USAGE', `${option} takes a time, not '${text}'`, {
      hint: 'for example 90s, 10m, 24h or 7d; at most 24d',
    })
  }
  return durationMs
}

/** Bytes in powers of 1000, as disks are sold: `237.1 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes / 1000
  let unit = 0
  // 999.95 would be shown as 1000.0
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toFixed(1)} ${units[unit]}`
}

/** A bound that is a power of two: `64 KiB`. */
export function formatBinary(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value} ${units[unit]}`
}

/** With thousands separators: `12,345`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `1 file`, `2 files` */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

/** `0.42 s`, `12.3 s`, `3 min 05 s`, `2 h 07 min` */
export function formatDuration(durationMs: number): string {
  const seconds = durationMs / 1000
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`
}

/** `, 28.2 MB/s`; empty where there is none. */
export function formatRate(bytes: number, durationMs: number): string {
  return bytes > 0 && durationMs > 0 ? `, ${formatBytes(Math.round(bytes * 1000 / durationMs))}/s` : ''
}

/**
 * ISO 8601 in UTC, to the second, or with all nine digits; `@seconds` where no calendar reaches.
 * @param seconds since 1970-01-01 UTC
 */
export function formatTime(seconds: number, nanoseconds?: number): string {
  const date = new Date(seconds * 1000)
  const fraction = nanoseconds === undefined ? '' : `.${String(nanoseconds).padStart(9, '0')}`
  if (Number.isNaN(date.getTime())) return `@${seconds}${fraction}`
  return `${date.toISOString().slice(0, -5)}${fraction}Z`
}

/** The nine letters of `ls -l` for a mode of at most 0o7777. */
export function formatMode(mode: number): string {
  let text = ''
  for (let shift = 6; shift >= 0; shift -= 3) {
    const bits = (mode >> shift) & 7
    // set-uid, set-gid, sticky take the place of x
    const special = (mode >> (9 + shift / 3)) & 1
    const letter = shift === 0 ? 't' : 's'
    text += bits & 4 ? 'r' : '-'
    text += bits & 2 ? 'w' : '-'
    text += special ? (bits & 1 ? letter : letter.toUpperCase()) : bits & 1 ? 'x' : '-'
  }
  return text
}
