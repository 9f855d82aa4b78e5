/**
 * The listings of a transfer that is complete, kept for the next one of the same source into the same directory: what
 * has not changed is then named by its digest and not sent. What stands in the target is looked at all the same.
 */
import fs from 'node:fs'
import path from 'node:path'
import { hash } from '../../codec/blake3.ts'
import { Journal } from './journal.ts'
import type { Offer } from '../messages.ts'

/** Of one source: beyond that it is not worth the place. */
const MAX_BYTES = 64 * 2 ** 20
/** Of different sources; the oldest go. */
const MAX_FILES = 32

/** @returns null where there are none, or of another chunk size */
export function openKnownListings(stateDir: string | null, directory: string, offer: Offer): Journal | null {
  if (stateDir === null) return null
  try {
    const journal = Journal.open(Buffer.from(fileOf(stateDir, directory, offer)))
    if (journal === null || (journal.start.average === offer.average && Buffer.from(journal.start.offerId).equals(offer.offerId))) return journal
    journal.close()
  } catch {
    // They only save sending what has not changed.
  }
  return null
}

export function keepKnownListings(stateDir: string | null, directory: string, offer: Offer, journal: Journal): void {
  if (stateDir === null) return
  const file = fileOf(stateDir, directory, offer)
  try {
    if (journal.listings.reduce((sum, { length }) => sum + length, 0) > MAX_BYTES) return fs.rmSync(file, { force: true })
    const folder = path.dirname(file)
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
    const temporary = `${file}.${process.pid}`
    fs.rmSync(temporary, { force: true })
    const kept = Journal.create(Buffer.from(temporary), journal.start)
    journal.listings.forEach((listing, number) => kept.addListing(number, journal.read(listing)))
    kept.close()
    fs.renameSync(temporary, file)
    const others = fs.readdirSync(folder).map((name) => ({ name, at: fs.statSync(path.join(folder, name)).mtimeMs })).sort((a, b) => b.at - a.at)
    for (const { name } of others.slice(MAX_FILES)) fs.rmSync(path.join(folder, name), { force: true })
  } catch {
    // As above.
  }
}

function fileOf(stateDir: string, directory: string, { offerId }: Offer): string {
  const name = Buffer.from(hash(Buffer.concat([offerId, Buffer.from(path.resolve(directory))]))).toString('hex').slice(0, 32)
  return path.join(stateDir, 'listings', name)
}
