/** Counts what a page holds, and so tells where it must close (§8.1 Closing): for writer and reader alike. */
import { PAGE_CLOSE_CONTENT_BYTES, PAGE_CLOSE_ENTRIES, PAGE_CLOSE_LOGICAL_BYTES } from '../base/limits.ts'

export class PageFill {
  #contentBytes = 0
  #chunkBytes = 0
  #entries = 0

  /** Records other than parts. */
  get entries(): number {
    return this.#entries
  }

  get isFull(): boolean {
    return this.#contentBytes >= PAGE_CLOSE_CONTENT_BYTES
      || this.#chunkBytes >= PAGE_CLOSE_LOGICAL_BYTES
      || this.#entries >= PAGE_CLOSE_ENTRIES
  }

  /**
   * @param encodedBytes length of the extent as it stands in the page
   * @param chunkBytes length of the chunk, 0 for a hole
   */
  addExtent(encodedBytes: number, chunkBytes: number): void {
    this.#contentBytes += encodedBytes
    this.#chunkBytes += chunkBytes
  }

  /** @param encodedBytes length of a record other than a part, without its extents */
  addRecord(encodedBytes: number): void {
    this.#contentBytes += encodedBytes
    this.#entries++
  }
}
