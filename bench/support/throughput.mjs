/** How fast a function works that handles a known number of bytes. */
import { median } from './statistics.mjs'

/**
 * Median of passes that go on for a while, after one to warm up.
 * @param {{bytes: number, run: () => void}} stage
 * @param {number} seconds at least
 * @returns {number} bytes a second
 */
export function throughput({ bytes, run }, seconds) {
  run()
  const rates = []
  for (let spent = 0; spent < seconds || rates.length < 3; ) {
    const started = performance.now()
    run()
    const took = (performance.now() - started) / 1e3
    rates.push(bytes / took)
    spent += took
  }
  return median(rates)
}
