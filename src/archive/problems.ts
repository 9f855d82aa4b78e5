/** System errors in words that say what to do. */
import { getSystemErrorMap } from 'node:util'

const WORDS = new Map([
  ['EEXIST', 'something of that name is there already'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'not permitted'],
  ['ENAMETOOLONG', 'the name is too long for this file system'],
  ['ENOTSUP', 'this file system cannot hold it'],
  ['ENOSYS', 'this system cannot make it without the package koffi'],
  ['EISDIR', 'a directory is in its place'],
  ['ENOTEMPTY', 'a directory that is not empty is in its place'],
  ['ENOTDIR', 'something that is not a directory is in its place'],
  ['EMFILE', 'too many open files'],
])

/** What the system says of each of its errors: without the path, which messages hold as it is. */
const DESCRIPTIONS = new Map(getSystemErrorMap().values())

export function describeProblem(code: string, message: string): string {
  return WORDS.get(code) ?? DESCRIPTIONS.get(code) ?? message
}
