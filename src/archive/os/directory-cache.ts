/**
 * Directories beneath a target that are held open: those in use, and a bounded number of those used
 * last, each reached from its parent without following a symlink (see place.ts).
 */

import { lstatSync, mkdirSync } from 'node:fs'
import { WarpError } from '../../base/errors.ts'
import { displayPath } from '../../format/path.ts'
import { checkName } from './names.ts'
import { codeOf } from './os-error.ts'
import { closePlace, openAnchored, openBeneath, openByPath } from './place.ts'
import type { Place } from './place.ts'

/** A directory that is open, or one on the way to it. */
interface Node {
  parent: Node | null
  key: string
  children: Map<string, Node>
  place: Place | null
  users: number
}

export interface DirectoryOptions {
  /** Makes what is missing on the way, and the directory itself. */
  create?: boolean
  /** Of directories that are made; the umask applies. */
  mode?: number
}

/** A directory held open until `release`. */
export class DirectoryHandle {
  /** Descriptor for metadata and fsync; -1 on systems without /proc. Closed by `release` or later. */
  readonly fd: number
  readonly components: readonly Buffer[]
  /** @internal */
  readonly node: Node
  readonly #cache: DirectoryCache
  readonly #prefix: Buffer
  #released = false

  constructor(cache: DirectoryCache, node: Node, place: Place, components: readonly Buffer[]) {
    this.fd = place.fd
    this.components = components
    this.node = node
    this.#cache = cache
    this.#prefix = place.prefix
  }

  /**
   * Path of `name` in this directory, good in every thread of the process until `release`. Its last
   * component may be a symlink: open it with O_NOFOLLOW.
   * @throws {WarpError} ERR_WARP_PATH_UNSAFE: not a single component;
   * ERR_WARP_NOT_A_DIRECTORY: without /proc, this directory has been replaced
   */
  nameAt(name: Uint8Array): Buffer {
    checkName(name)
    return Buffer.concat([this.path(), name])
  }

  /** Path of the directory itself, with a slash at its end. */
  path(): Buffer {
    // The number may stand for another directory by now.
    if (this.#released) throw new TypeError('directory handle used after release')
    this.#cache.check(this)
    return this.#prefix
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    this.#cache.release(this.node)
  }
}

export class DirectoryCache {
  readonly #root: Node
  readonly #anchored: boolean
  readonly #maxIdle: number
  /** Open without users, least recently used first. */
  readonly #idle = new Set<Node>()
  /** Open without a place in the tree any more: removed or renamed while in use. */
  readonly #detached = new Set<Node>()

  /**
   * @param target an existing directory; symlinks in this path are the caller's and are followed
   * @param maxIdle directories kept open beyond those in use
   * @param anchored false: use paths even where /proc is
   */
  constructor(target: Buffer, maxIdle: number, anchored: boolean) {
    this.#maxIdle = maxIdle
    const place = anchored ? openAnchored(target) : null
    this.#anchored = place !== null
    this.#root = {
      parent: null,
      key: '',
      children: new Map(),
      place: place ?? openByPath(target),
      users: 1,
    }
  }

  /** Whether directories are held by descriptors. */
  get anchored(): boolean {
    return this.#anchored
  }

  /**
   * Opens the directory at `components`.
   * @throws {WarpError} ERR_WARP_PATH_UNSAFE; ERR_WARP_NOT_A_DIRECTORY: a symlink or anything else
   * stands where a directory is needed
   * @throws Node's system error, ENOENT among them
   */
  acquire(components: readonly Buffer[], options: DirectoryOptions = {}): DirectoryHandle {
    for (const component of components) checkName(component)
    let [node, depth] = this.#deepestOpen(components)
    this.#use(node)
    while (depth < components.length) {
      let child: Node
      try {
        child = this.#openChild(node, components, depth, options)
      } catch (error) {
        this.release(node)
        throw error
      }
      this.#use(child)
      this.release(node)
      node = child
      depth++
    }
    return new DirectoryHandle(this, node, node.place!, components)
  }

  release(node: Node): void {
    node.users--
    if (node.users > 0 || node.place === null) return
    if (this.#detached.delete(node)) return close(node)
    this.#idle.add(node)
    if (this.#idle.size <= this.#maxIdle) return
    for (const oldest of this.#idle) {
      this.#idle.delete(oldest)
      close(oldest)
      prune(oldest)
      break
    }
  }

  /** To be told when `name` in a directory no longer is what it was. */
  forget(handle: DirectoryHandle, name: Uint8Array): void {
    const child = handle.node.children.get(keyOf(name))
    if (child === undefined) return
    handle.node.children.delete(child.key)
    const pending = [child]
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      pending.push(...node.children.values())
      node.children.clear()
      node.parent = null
      if (node.place === null) continue
      if (node.users > 0) {
        this.#detached.add(node)
      } else {
        this.#idle.delete(node)
        close(node)
      }
    }
  }

  /**
   * Checks that the cache is open and, without descriptors, looks at every component again.
   * @throws {WarpError} ERR_WARP_NOT_A_DIRECTORY
   */
  check(handle: DirectoryHandle): void {
    const root = this.#root.place
    if (root === null) throw new TypeError('target used after close')
    if (this.#anchored) return
    let prefix = root.prefix
    let stats = lstatSync(prefix, { bigint: true })
    for (const [i, component] of handle.components.entries()) {
      prefix = Buffer.concat([prefix, component])
      const found = lstatSync(prefix, { bigint: true, throwIfNoEntry: false })
      if (found === undefined || !found.isDirectory()) throw notADirectory(handle.components, i)
      prefix = Buffer.concat([prefix, Buffer.from('/')])
      stats = found
    }
    const place = handle.node.place!
    if (stats.ino !== place.inode || stats.dev !== place.device) {
      throw notADirectory(handle.components, handle.components.length - 1)
    }
  }

  /** Closes every directory, in use or not. */
  close(): void {
    const pending = [this.#root, ...this.#detached]
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      pending.push(...node.children.values())
      close(node)
    }
    this.#root.children.clear()
    this.#idle.clear()
    this.#detached.clear()
  }

  #use(node: Node): void {
    node.users++
    this.#idle.delete(node)
  }

  #deepestOpen(components: readonly Buffer[]): [node: Node, depth: number] {
    if (this.#root.place === null) throw new TypeError('target used after close')
    let deepest = this.#root
    let depth = 0
    let node: Node | undefined = this.#root
    for (let i = 0; i < components.length; i++) {
      node = node.children.get(keyOf(components[i]))
      if (node === undefined) break
      if (node.place !== null) {
        deepest = node
        depth = i + 1
      }
    }
    return [deepest, depth]
  }

  #openChild(parent: Node, components: readonly Buffer[], depth: number, options: DirectoryOptions): Node {
    const name = components[depth]
    const path = Buffer.concat([parent.place!.prefix, name])
    if (options.create) makeDirectory(path, options.mode)
    let place: Place
    try {
      place = openBeneath(path, this.#anchored)
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ENOTDIR' || code === 'ELOOP') throw notADirectory(components, depth, error)
      throw error
    }
    const key = keyOf(name)
    let child = parent.children.get(key)
    if (child === undefined) {
      child = { parent, key, children: new Map(), place, users: 0 }
      parent.children.set(key, child)
    }
    child.place = place
    return child
  }
}

function makeDirectory(path: Buffer, mode = 0o700): void {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    // Whatever is there, opening it tells what it is.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

function close(node: Node): void {
  if (node.place !== null) closePlace(node.place)
  node.place = null
}

/** Drops nodes that lead to nothing that is open. */
function prune(leaf: Node): void {
  let node = leaf
  while (node.parent !== null && node.place === null && node.children.size === 0) {
    node.parent.children.delete(node.key)
    node = node.parent
  }
}

function notADirectory(components: readonly Buffer[], depth: number, cause?: unknown): WarpError {
  const path = components
    .slice(0, depth + 1)
    .map((component) => displayPath(component))
    .join('/')
  const message = 'not a directory, or replaced by something else'
  return new WarpError('ERR_WARP_NOT_A_DIRECTORY', message, { path, cause })
}

/** Latin-1 maps bytes to characters one to one. */
function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1')
}
