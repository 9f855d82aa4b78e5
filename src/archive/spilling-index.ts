/**
 * The index of all chunks of an archive, whatever their number: a table in memory, and past its share of it
 * sorted runs on disk, merged as they become many. Before a batch is planned, what runs hold of its ids is
 * brought into the table; new ids are mostly told from filters alone.
 */
import os from 'node:os'
import { FULL_FILTER_BITS } from './chunk-filter.ts'
import { ChunkIndex, ID_WORDS } from './chunk-index.ts'
import { codeOf } from './os/os-error.ts'
import { RunWriter, type SortedRun } from './sorted-run.ts'

/** Runs of one level that become one of the next. */
const FAN_IN = 8
/** Memory for the pieces that a merge reads and writes, bytes. */
const MERGE_BYTES = 4 * 2 ** 20
/** Records that are merged for each chunk of a batch: each is merged once a level, and levels are few. */
const MERGED_PER_CHUNK = 16
/** Ids looked up, and records merged, after which others get a turn. */
const IDS_A_TURN = 256
const RECORDS_A_TURN = 8192

export interface SpillOptions {
  /** Memory for table and filters, bytes. */
  maxBytes: number
  /** Directory for runs; default: that of the system. */
  tempDir?: string
  /** The disk failed: from now on some chunks that are known are taken for new. */
  onDegraded: (reason: string) => void
}

export class SpillingIndex {
  /** What `prepare` was told of can be looked up here, and new chunks be added. */
  readonly table: ChunkIndex
  readonly #options: SpillOptions
  readonly #directory: string
  readonly #filterBytes: number
  #runs: SortedRun[] = []
  #merge: Generator<void, SortedRun> | null = null
  #merging: SortedRun[] = []
  /** Of the filter that a merge makes, bytes. */
  #mergeBytes = 0
  #isDegraded = false
  #isClosed = false

  constructor(options: SpillOptions) {
    this.#options = options
    this.#directory = options.tempDir ?? os.tmpdir()
    this.table = new ChunkIndex(options.maxBytes)
    this.#filterBytes = Math.max(0, options.maxBytes - this.table.maxBytes - MERGE_BYTES)
  }

  /** Bytes held for runs. */
  get runBytes(): number {
    return this.#runs.reduce((sum, run) => sum + run.bytes, 0)
  }

  get runCount(): number {
    return this.#runs.length
  }

  /**
   * Makes ready for a batch.
   * @param ids 8 words for each of its chunks
   * @returns null if there is nothing to wait for; never rejects
   */
  prepare(ids: Uint32Array): Promise<void> | null {
    if (this.#isClosed) return null
    if (this.#runs.length === 0 && this.table.makeRoom(ids.length / ID_WORDS)) return null
    return this.#prepare(ids)
  }

  /** Gives up the runs. */
  close(): void {
    this.#isClosed = true
    this.#merge?.return(undefined as never)
    this.#merge = null
    for (const run of this.#runs.splice(0)) run.close()
  }

  async #prepare(ids: Uint32Array): Promise<void> {
    let unknown = this.#notInTable(ids)
    if (!this.table.makeRoom(unknown.length)) {
      this.#makeRoom(ids.length / ID_WORDS)
      unknown = this.#notInTable(ids)
    }
    await this.#bring(ids, unknown)
    await this.#advanceMerge(unknown.length * MERGED_PER_CHUNK)
  }

  #makeRoom(count: number): void {
    const { table } = this
    if (table.copies > table.size / 2) table.clear('copies')
    else if (table.size > 0 && (this.#isDegraded || !this.#spill())) table.clear('all')
    // A batch must fit by itself, however small the share is.
    table.makeRoom(count, true)
  }

  /** @returns whether the table's records stand in a run now */
  #spill(): boolean {
    const { table } = this
    let writer: RunWriter | null = null
    try {
      writer = new RunWriter(this.#directory, table.size - table.copies, this.#filterBytesLeft)
      for (const record of table.records()) writer.push(record)
      this.#runs.push(writer.finish(0))
      table.clear('all')
      return true
    } catch (error) {
      writer?.abandon()
      this.#degrade(error)
      return false
    }
  }

  get #filterBytesLeft(): number {
    return Math.max(0, this.#filterBytes - this.runBytes - this.#mergeBytes)
  }

  #notInTable(ids: Uint32Array): number[] {
    const unknown: number[] = []
    for (let at = 0; at < ids.length; at += ID_WORDS) if (this.table.find(ids, at) < 0) unknown.push(at)
    return unknown
  }

  /** Takes those of the ids at `unknown` that runs hold into the table. */
  async #bring(ids: Uint32Array, unknown: number[]): Promise<void> {
    // In the order of the runs, so that each block is read once.
    unknown.sort((a, b) => ids[a]! - ids[b]!)
    for (const [i, at] of unknown.entries()) {
      if (i % IDS_A_TURN === IDS_A_TURN - 1) await turn()
      if (this.#isClosed) return
      const record = this.#findInRuns(ids, at)
      if (record) this.table.set(ids, at, record[ID_WORDS]!, record[ID_WORDS + 1]!, true)
    }
  }

  #findInRuns(ids: Uint32Array, at: number): Uint32Array | null {
    for (const run of this.#runs) {
      try {
        const record = run.find(ids, at)
        if (record) return record
      } catch (error) {
        this.#degrade(error)
      }
    }
    return null
  }

  async #advanceMerge(records: number): Promise<void> {
    for (let left = records; left > 0 && !this.#isClosed; left -= RECORDS_A_TURN) {
      if (!this.#merge && !this.#beginMerge()) return
      try {
        for (let i = 0; i < RECORDS_A_TURN; i++) {
          const { done, value } = this.#merge!.next()
          if (!done) continue
          const merged = new Set(this.#merging)
          this.#runs = [value, ...this.#runs.filter((run) => !merged.has(run))]
          for (const run of this.#merging) run.close()
          this.#endMerge()
          break
        }
      } catch (error) {
        // Without it lookups go on, in more runs.
        this.#endMerge()
        this.#degrade(error)
        return
      }
      await turn()
    }
  }

  #beginMerge(): boolean {
    if (this.#isDegraded) return false
    for (let level = 0; ; level++) {
      const candidates = this.#runs.filter((run) => run.level === level)
      if (candidates.length >= FAN_IN) {
        this.#merging = candidates.slice(0, FAN_IN)
        const records = this.#merging.reduce((sum, { count }) => sum + count, 0)
        this.#mergeBytes = Math.min(this.#filterBytesLeft, Math.ceil((records * FULL_FILTER_BITS) / 8))
        this.#merge = merge(this.#merging, records, level + 1, this.#directory, this.#mergeBytes)
        return true
      }
      if (!this.#runs.some((run) => run.level > level)) return false
    }
  }

  #endMerge(): void {
    this.#merge = null
    this.#merging = []
    this.#mergeBytes = 0
  }

  #degrade(error: unknown): void {
    if (this.#isDegraded) return
    this.#isDegraded = true
    const reason = codeOf(error) === 'ENOSPC' ? 'no space left' : (error as Error).message
    this.#options.onDegraded(`${this.#directory}: ${reason}`)
  }
}

/** Merges runs one record a step. @throws the system's error; nothing is left then */
function* merge(runs: SortedRun[], records: number, level: number, directory: string, filterBytes: number): Generator<void, SortedRun> {
  const writer = new RunWriter(directory, records, filterBytes)
  let isDone = false
  try {
    const sources = runs.map((run) => run.records())
    let heads = sources.map((source) => ({ source, record: source.next() })).filter(({ record }) => !record.done)
    while (heads.length > 0) {
      let first = heads[0]!
      for (const head of heads) if ((head.record.value as Uint32Array)[0]! < (first.record.value as Uint32Array)[0]!) first = head
      writer.push(first.record.value as Uint32Array)
      first.record = first.source.next()
      if (first.record.done) heads = heads.filter((head) => head !== first)
      yield
    }
    const run = writer.finish(level)
    isDone = true
    return run
  } finally {
    if (!isDone) writer.abandon()
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
