/**
 * The tree over the pages as it is written (§9.1): at most one unfinished index page of each level is
 * held.
 */
import { INDEX_FAN_OUT } from '../base/limits.ts'
import type { IndexChild } from '../format/index-page.ts'

/** An index page whose children are complete. */
export interface CompleteNode {
  level: number
  children: IndexChild[]
}

/** How many index pages directly follow page number `page` (1 for the first). */
export function indexPagesAfter(page: number): number {
  let levels = 0
  for (let left = page; left % INDEX_FAN_OUT === 0; left /= INDEX_FAN_OUT) levels++
  return levels
}

export class TreeBuilder {
  /** Unfinished nodes; [0] is of level 1. */
  readonly #open: IndexChild[][] = []
  /** Nodes made so far, by level; [0] counts pages. */
  readonly #made: number[] = [0]
  #last: IndexChild | null = null
  /** The input is at its end: nodes are taken by `nextUnfinished` alone, also one whose set is full by then. */
  #isEnding = false

  /**
   * Adds a written node of `level` (0: a page).
   * @returns the node of the next level that is complete by it and must be written now, if any
   */
  add(level: number, child: IndexChild): CompleteNode | null {
    this.#made[level] = (this.#made[level] ?? 0) + 1
    this.#last = child
    const siblings = (this.#open[level] ??= [])
    siblings.push(child)
    if (siblings.length < INDEX_FAN_OUT || this.#isEnding) return null
    this.#open[level] = []
    return { level: level + 1, children: siblings }
  }

  /**
   * What is left over at the end of input, lowest level first: call until it gives null, adding each
   * node once it is written.
   */
  nextUnfinished(): CompleteNode | null {
    this.#isEnding = true
    for (let level = 0; level < this.#made.length; level++) {
      const siblings = this.#open[level] ?? []
      if (siblings.length === 0) continue
      if (this.#made[level] === 1) {
        // A level of one node gets no parent: it is the top, or lower levels still rise to it.
        continue
      }
      this.#open[level] = []
      return { level: level + 1, children: siblings }
    }
    return null
  }

  /** The top, once `nextUnfinished` gave null; null for an archive without pages. */
  top(): { level: number; child: IndexChild } | null {
    if (!this.#last) return null
    return { level: this.#made.length - 1, child: this.#last }
  }
}
