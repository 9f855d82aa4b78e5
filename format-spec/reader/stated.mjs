// What a parent or the footer states of a node, compared with the node itself (§9, §10).
import {equalBytes} from './bytes.mjs'
import {damaged, malformed} from './errors.mjs'

/** Compares a node's digests with those of its parent or of the footer. */
export function checkDigests(stated, actual) {
  if (!equalBytes(stated.contentDigest, actual.contentDigest)) throw damaged('a content digest is wrong')
  if (!equalBytes(stated.locationDigest, actual.locationDigest)) throw damaged('a location digest is wrong')
}

/** Compares a node's first record and number of entries; the footer states nothing of the first. */
export function checkStated(stated, actual) {
  if (stated.firstPath) {
    const isSame = equalBytes(stated.firstPath, actual.firstPath) && stated.firstOffset === actual.firstOffset
    if (!isSame) throw malformed('a node starts with another record')
  }
  if (stated.entries !== actual.entries) throw damaged('a number of entries is wrong')
}

/** Compares the footer's counts of what records hold. */
export function checkCounts(footer, counts) {
  for (const name of ['entries', 'logicalBytes', 'chunkRefs', 'pages']) {
    if (footer[name] !== counts[name]) throw damaged(`the footer's ${name} is wrong`)
  }
}
