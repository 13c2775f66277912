/** The Store in an SQLite file (database.ts says how it is opened, locked and made durable). */
import { NoisefoldError } from '../base/errors.ts';
import { additions } from '../plan/additions.ts';
import { newTaskState } from '../scheduler/step.ts';
import { attempt, openToRead, openToWrite, transaction } from './database.ts';
import {
  studyColumns,
  studyOf,
  taskColumns,
  taskOf,
  taskStateColumns,
  taskStateOf,
  transitionColumns,
  transitionOf,
  trialColumns,
  trialOf,
  type StudyColumns,
  type TaskColumns,
  type TaskStateColumns,
  type TransitionColumns,
  type TrialColumns,
  type Value,
} from './rows.ts';
import type { Store } from './store.ts';

export interface OpenStoreOptions {
  /** Look on while another process writes, or after it; create and commit then throw STORE_FAILED. */
  readonly readonly?: boolean;
}

/**
 * Opens a study's database, making an empty one if there is none (not when read-only). Its folder must exist.
 * Throws STORE_LOCKED while another process has it open to write, STORE_NEWER, STORE_FAILED, DISK_FULL.
 */
export function openStore(path: string, { readonly = false }: OpenStoreOptions = {}): Store {
  const { database, close } = readonly ? openToRead(path) : openToWrite(path);
  let closed = false;

  const rows = <Row>(sql: string, ...values: Value[]): Row[] =>
    attempt(path, () => database.prepare(sql).all(...values) as Row[]);

  /** Writes an object's members into the columns of the same names. */
  function insert(table: string, columns: object): void {
    const names = Object.keys(columns);
    const places = names.map(() => '?').join(', ');
    database.prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${places})`).run(...(Object.values(columns) as Value[]));
  }

  function updateTask(id: string, columns: TaskStateColumns): void {
    const places = Object.keys(columns).map((name) => `${name} = ?`);
    const values = Object.values(columns) as Value[];
    const { changes } = database.prepare(`UPDATE tasks SET ${places.join(', ')} WHERE id = ?`).run(...values, id);
    if (changes !== 1) throw new NoisefoldError('STORE_FAILED', `there is no task ${id}`, { where: path });
  }

  return {
    study: () => rows<StudyColumns>('SELECT * FROM study').map(studyOf)[0],
    create(study, plan) {
      transaction(database, path, () => {
        if (rows('SELECT 1 FROM study').length > 0)
          throw new NoisefoldError('STORE_FAILED', 'the database holds a study already', { where: path });
        insert('study', { id: 1, ...studyColumns(study) });
        for (const [position, trial] of plan.trials.entries()) insert('trials', { position, ...trialColumns(trial) });
        for (const [position, task] of plan.tasks.entries())
          insert('tasks', { position, ...taskColumns(task), ...taskStateColumns(newTaskState(task)) });
      });
    },
    extend(study, wider) {
      const known = this.plan();
      const added = additions(known, wider);
      transaction(database, path, () => {
        database.prepare('DELETE FROM study').run();
        insert('study', { id: 1, ...studyColumns(study) });
        for (const [i, trial] of added.trials.entries())
          insert('trials', { position: known.trials.length + i, ...trialColumns(trial) });
        for (const [i, task] of added.tasks.entries())
          insert('tasks', { position: known.tasks.length + i, ...taskColumns(task), ...taskStateColumns(newTaskState(task)) });
      });
    },
    plan: () => ({
      trials: rows<TrialColumns>('SELECT * FROM trials ORDER BY position').map(trialOf),
      tasks: rows<TaskColumns>('SELECT * FROM tasks ORDER BY position').map(taskOf),
    }),
    tasks: () => rows<TaskColumns & TaskStateColumns>('SELECT * FROM tasks ORDER BY position').map(taskStateOf),
    commit(changes) {
      if (changes.length === 0) return;
      transaction(database, path, () => {
        for (const { task, transition } of changes) {
          updateTask(task.task.id, taskStateColumns(task));
          insert('transitions', transitionColumns(transition));
        }
      });
    },
    transitions: (task) =>
      task === undefined
        ? rows<TransitionColumns>('SELECT * FROM transitions ORDER BY id').map(transitionOf)
        : rows<TransitionColumns>('SELECT * FROM transitions WHERE task = ? ORDER BY id', task).map(transitionOf),
    close() {
      if (!closed) close();
      closed = true;
    },
  };
}
