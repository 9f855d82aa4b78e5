/**
 * Shows a test run as one line per file, failing files in full, and tap's own count last. Reads the runner's
 * TAP stream, in which every test file is one block that opens at column 0.
 */
import { Transform } from 'node:stream'

const FILE_STARTS = /^# Subtest: (.+)$/
const FILE_ENDS = /^(ok|not ok) \d+ - (.+?)(?: # (.*))?$/
const COUNTS = /^# \{ total: .* \}$/
const SKIPPED = /^\s+ok \d+(?: - )?(.*?) # SKIP\s*(.*)$/
const PASSED = /^\s+ok \d+\b/

export default class Reporter extends Transform {
  #rest = ''
  /** Lines of the file that is being read; null between files. */
  #block = null
  #failing = false
  #counts = null
  #failedFiles = 0

  _transform(chunk, _encoding, done) {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop()
    for (const line of lines) this.#readLine(line)
    done()
  }

  _flush(done) {
    if (this.#rest !== '') this.#readLine(this.#rest)
    if (this.#counts !== null) this.push(describeCounts(this.#counts, this.#failedFiles))
    done()
  }

  #readLine(line) {
    const end = FILE_ENDS.exec(line)
    if (FILE_STARTS.test(line)) {
      this.#block = []
      this.#failing = false
    } else if (end !== null) {
      this.#endFile(end[1] === 'ok', end[2], end[3] ?? '')
    } else if (COUNTS.test(line)) {
      this.#counts = line
    } else if (this.#block !== null) {
      this.#block.push(line)
    } else if (this.#failing && line.trim() !== '' && !line.startsWith('#')) {
      // What the runner says of the file's process: exit code, signal, time-out.
      this.push(`${line}\n`)
    }
  }

  #endFile(passed, file, note) {
    const block = this.#block ?? []
    this.#block = null
    this.#failing = !passed
    if (!passed) this.#failedFiles++
    this.push(`${passed ? 'pass' : 'FAIL'}  ${file}${note === '' ? '' : `  (${note})`}\n`)
    for (const line of block) {
      const skipped = SKIPPED.exec(line)
      if (skipped !== null) this.push(`      skipped: ${skipped[1]}${skipped[2] && ` (${skipped[2]})`}\n`)
      else if (!passed && line.trim() !== '' && !PASSED.test(line)) this.push(`${line}\n`)
    }
  }
}

/**
 * `# { total: 5, pass: 3, fail: 1, skip: 1 }`, which leaves out what is 0, as the lines that end a run. A file
 * whose process died fails without a failed assertion, so there are at least as many failures as failed files.
 */
function describeCounts(line, failedFiles) {
  const count = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line)?.[1] ?? 0)
  const skipped = count('skip') + count('todo')
  const note = skipped === 0 ? '' : `${skipped} skipped or to do\n`
  return `${note}${count('pass')} passed, ${Math.max(count('fail'), failedFiles)} failed\n`
}
