import t from 'tap'
import {
  countOf, formatBinary, formatBytes, formatDuration, formatMode, formatTime, parseCount, parseDuration, parseSize,
} from '../../src/cli/sizes.ts'

const USAGE = { code: 'ERR_WARP_USAGE' }

t.test('sizes are read', async t => {
  const sizes: [string, number][] = [
    ['0', 0], ['65536', 65_536], ['1B', 1],
    ['64K', 65_536], ['64k', 65_536], ['64KiB', 65_536], ['64KB', 64_000], ['64 kB', 64_000],
    ['1M', 1_048_576], ['1MiB', 1_048_576], ['1MB', 1_000_000],
    ['2G', 2 ** 31], ['2GB', 2e9], ['1T', 2 ** 40], ['1TB', 1e12],
    ['1.5K', 1536], ['0.3B', 0],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ]
  for (const [text, bytes] of sizes) t.equal(parseSize(text, '--x'), bytes, text)
})

t.test('what is not a size is refused', async t => {
  const texts = [
    '', 'x', 'K', '-1', '1e3', '0x10', '1X', '1KK', '1.', '.5', ' 1', '1  K', '9007199254740992', '9999T',
  ]
  for (const text of texts) t.throws(() => parseSize(text, '--x'), USAGE, text)
})

t.test('counts keep their range', async t => {
  t.equal(parseCount('1', '--x', 1, 19), 1)
  t.equal(parseCount('19', '--x', 1, 19), 19)
  for (const text of ['0', '20', '', '-1', '1.5', 'a', '1e1']) {
    t.throws(() => parseCount(text, '--x', 1, 19), USAGE)
  }
})

t.test('bytes in powers of 1000', async t => {
  const shown: [number, string][] = [
    [0, '0 B'], [999, '999 B'], [1000, '1.0 kB'], [999_949, '999.9 kB'],
    [999_950, '1.0 MB'], // would be rounded to 1000.0 kB
    [237_100_000, '237.1 MB'], [1e9, '1.0 GB'], [1e12, '1.0 TB'], [2 ** 53, '9.0 PB'], [9e18, '9000.0 PB'],
  ]
  for (const [bytes, text] of shown) t.equal(formatBytes(bytes), text)
  t.equal(formatBinary(65_536), '64 KiB')
  t.equal(formatBinary(1 << 20), '1 MiB')
  t.equal(formatBinary(1000), '1000 B')
})

t.test('durations', async t => {
  const shown: [number, string][] = [
    [0, '0.00 s'], [9_994, '9.99 s'], [9_995, '10.0 s'], [59_949, '59.9 s'],
    [59_950, '1 min 00 s'], [3_599_000, '59 min 59 s'], [3_600_000, '1 h 00 min'], [7_620_000, '2 h 07 min'],
  ]
  for (const [durationMs, text] of shown) t.equal(formatDuration(durationMs), text)
})

t.test('counts of things', async t => {
  t.equal(countOf(1, 'file'), '1 file')
  t.equal(countOf(12_345, 'file'), '12,345 files')
  t.equal(countOf(0, 'entry', 'entries'), '0 entries')
})

t.test('times', async t => {
  t.equal(formatTime(0), '1970-01-01T00:00:00Z')
  t.equal(formatTime(1_700_000_000, 5), '2023-11-14T22:13:20.000000005Z')
  t.equal(formatTime(-1, 999_999_999), '1969-12-31T23:59:59.999999999Z')
  t.equal(formatTime(8_640_000_000_001), '@8640000000001') // one past what a Date holds
})

t.test('modes as ls shows them', async t => {
  const shown: [number, string][] = [
    [0, '---------'], [0o644, 'rw-r--r--'], [0o755, 'rwxr-xr-x'], [0o7777, 'rwsrwsrwt'],
    [0o7000, '--S--S--T'],
    [0o4755, 'rwsr-xr-x'], [0o2755, 'rwxr-sr-x'], [0o1777, 'rwxrwxrwt'], [0o1776, 'rwxrwxrwT'],
  ]
  for (const [mode, text] of shown) t.equal(formatMode(mode), text)
})

t.test('times are read', async t => {
  const times: [string, number][] = [['1s', 1000], ['90s', 90_000], ['10m', 600_000], ['24h', 86_400_000], ['7d', 604_800_000], ['1.5 H', 5_400_000]]
  for (const [text, ms] of times) t.equal(parseDuration(text, '--x'), ms, text)
  for (const text of ['', '1', 's', '0s', '0.5s', '-1s', '1ms', '1w', '25d', '1s 2m', ' 1s']) t.throws(() => parseDuration(text, '--x'), USAGE, text)
})
