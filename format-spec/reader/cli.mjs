#!/usr/bin/env node
// Command line of the reader: list, verify, extract.
import {readFileSync} from 'node:fs'
import {parseArgs} from 'node:util'
import {toHex} from './bytes.mjs'
import {parseIdentity, passphraseOfFile} from './crypto.mjs'
import {ReaderError} from './errors.mjs'
import {extractArchive} from './extract.mjs'
import {openArchive} from './reader.mjs'

const EXIT_STATUS = {malformed: 10, unsupported: 11, key: 12, damaged: 13, base: 16}
const TYPES = {
  1: 'file', 2: 'directory', 3: 'symlink', 4: 'hard-link', 5: 'fifo', 6: 'character-device', 7: 'block-device'
}
const USAGE = 'list|verify|extract ARCHIVE [-C DIR] [--passphrase-file FILE] [--identity FILE] [--base FILE] [--json]'

const base64 = bytes => Buffer.from(bytes).toString('base64')

/** An entry as `list --json` prints it; what a type does not have is left out. */
function describe(entry) {
  const common = {path: base64(entry.path), type: TYPES[entry.type]}
  if (entry.link !== undefined) return {...common, link: entry.link}
  return {
    ...common,
    size: entry.size ?? 0,
    mode: entry.mode, uid: entry.uid, gid: entry.gid, user: base64(entry.user), group: base64(entry.group),
    mtime: entry.mtime,
    unstable: entry.unstable,
    ...entry.target && {target: base64(entry.target)},
    ...entry.device && {device: entry.device},
    xattrs: entry.xattrs.map(pair => pair.map(base64)),
    ...entry.extents && {extents: entry.extents.map(({length, id}) => [length, id && toHex(id)])}
  }
}

function list(archive, isJson) {
  if (!isJson) {
    // Names are data: JSON escapes the control characters in them.
    for (const {path, type, size} of archive.entries()) {
      console.log(`${TYPES[type]}\t${size ?? 0}\t${JSON.stringify(Buffer.from(path).toString())}`)
    }
    return
  }
  let separator = ''
  process.stdout.write(`{"root":"${archive.root}","entries":[`)
  for (const entry of archive.entries()) {
    process.stdout.write(separator + JSON.stringify(describe(entry)))
    separator = ',\n'
  }
  process.stdout.write(']}\n')
}

function extract(archive, directory) {
  for (const {path, type} of extractArchive(archive, directory)) {
    console.error(`left out: ${TYPES[type]} ${JSON.stringify(Buffer.from(path).toString())}`)
  }
}

function run() {
  const {values, positionals} = parseArgs({
    allowPositionals: true,
    options: {
      directory: {type: 'string', short: 'C', default: '.'},
      'passphrase-file': {type: 'string'},
      identity: {type: 'string'},
      base: {type: 'string'},
      json: {type: 'boolean', default: false}
    }
  })
  const [command, path] = positionals
  if (positionals.length !== 2 || !['list', 'verify', 'extract'].includes(command)) throw new Error(USAGE)
  const passphraseFile = values['passphrase-file']
  const archive = openArchive(path, {
    passphrase: passphraseFile && passphraseOfFile(readFileSync(passphraseFile)),
    base: values.base,
    identity: values.identity && parseIdentity(readFileSync(values.identity, 'utf8'))
  })
  try {
    if (command === 'list') list(archive, values.json)
    else if (command === 'extract') extract(archive, values.directory)
    else archive.verify()
    if (command === 'verify') console.log(archive.root)
  } finally {
    archive.close()
  }
}

try {
  run()
} catch (error) {
  const errorClass = error instanceof ReaderError ? error.class : 'error'
  console.error(`${errorClass}: ${error.message.replaceAll('\n', ' ')}`)
  process.exitCode = EXIT_STATUS[errorClass] ?? 1
}
