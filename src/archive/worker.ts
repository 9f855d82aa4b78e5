/** What a worker thread runs: every task of the engine and of the archive. */
import { isMainThread } from 'node:worker_threads'
import { serveTasks, type Tasks } from '../engine/pool.ts'
import { engineTasks } from '../engine/tasks.ts'
import { copy, unpack } from './base-tasks.ts'
import { check } from './frame-reader.ts'
import { load } from './load-task.ts'
import { restore } from './restore-task.ts'
import { pack, take } from './take-task.ts'

export const tasks: Tasks = { ...engineTasks, load, check, restore, copy, unpack, take, pack }

if (!isMainThread) serveTasks(tasks)
