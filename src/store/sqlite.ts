/** The Store in an SQLite file (database.ts says how it is opened, locked and made durable). */
import { NoisefoldError } from '../base/errors.ts';
import { additions } from '../plan/additions.ts';
import { newTaskState } from '../scheduler/task-table.ts';
import { attempt, copyOf, openToRead, openToWrite, transaction, type Statement } from './database.ts';
import {
  fromJson,
  studyColumns,
  studyOf,
  studyTransitionColumns,
  studyTransitionOf,
  taskColumns,
  taskOf,
  taskStateColumns,
  taskStateOf,
  toJson,
  transitionColumns,
  transitionOf,
  trialColumns,
  trialOf,
  type StudyColumns,
  type StudyTransitionColumns,
  type TaskColumns,
  type TaskStateColumns,
  type TransitionColumns,
  type TrialColumns,
  type Value,
} from './rows.ts';
import type { TaskResult } from '../train/types.ts';
import type { Store } from './store.ts';

/** A result counts for as long as its task's row has its summary: one that is to be made again stays where it is until then. */
const insertResult = 'INSERT OR REPLACE INTO results (position, result) SELECT position, ? FROM tasks WHERE id = ?';
const selectResult = 'SELECT result FROM results JOIN tasks USING (position) WHERE tasks.id = ? AND tasks.summary IS NOT NULL';

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

  const prepared = new Map<string, Statement>();
  /** Compiled once: a commit is one or two of the same statements, over and over. */
  function statement(sql: string): Statement {
    const known = prepared.get(sql) ?? database.prepare(sql);
    prepared.set(sql, known);
    return known;
  }
  const rows = <Row>(sql: string, ...values: Value[]): Row[] => attempt(path, () => statement(sql).all(...values) as Row[]);

  const inserts = new Map<string, Statement>();
  /** Writes an object's members into the columns of the same names: always the same ones of a table, so that the statement is put together once. */
  function insert(table: string, columns: object): void {
    let into = inserts.get(table);
    if (into === undefined) {
      const names = Object.keys(columns);
      into = database.prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`);
      inserts.set(table, into);
    }
    into.run(...(Object.values(columns) as Value[]));
  }

  let update: Statement | undefined;
  function updateTask(id: string, columns: TaskStateColumns): void {
    const places = (): string =>
      Object.keys(columns)
        .map((name) => `${name} = ?`)
        .join(', ');
    update ??= database.prepare(`UPDATE tasks SET ${places()} WHERE id = ?`);
    const { changes } = update.run(...(Object.values(columns) as Value[]), id);
    if (changes !== 1) throw new NoisefoldError('STORE_FAILED', `there is no task ${id}`, { where: path });
  }

  const nextPosition = (): number =>
    rows<{ position: number }>('SELECT coalesce(max(position) + 1, 0) AS position FROM tasks')[0]?.position ?? 0;

  const write = (work: () => void): void => transaction({ database, path, statement }, work);

  return {
    study: () => rows<StudyColumns>('SELECT * FROM study').map(studyOf)[0],
    create(study, plan) {
      write(() => {
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
      write(() => {
        statement('DELETE FROM study').run();
        insert('study', { id: 1, ...studyColumns(study) });
        for (const [i, trial] of added.trials.entries())
          insert('trials', { position: known.trials.length + i, ...trialColumns(trial) });
        for (const [i, task] of added.tasks.entries())
          insert('tasks', { position: known.tasks.length + i, ...taskColumns(task), ...taskStateColumns(newTaskState(task)) });
      });
    },
    plan: () => ({
      trials: rows<TrialColumns>('SELECT * FROM trials ORDER BY position').map(trialOf),
      tasks: rows<TaskColumns>('SELECT id, trial, fold, rung, from_step, to_step FROM tasks ORDER BY position').map(taskOf),
    }),
    tasks: () => rows<TaskColumns & TaskStateColumns>('SELECT * FROM tasks ORDER BY position').map(taskStateOf),
    result(task) {
      const [row] = rows<{ result: string }>(selectResult, task);
      return row && (fromJson(row.result) as TaskResult);
    },
    commit({ tasks, study }) {
      if (tasks.length === 0 && study === undefined) return;
      write(() => {
        for (const { task, transition, result, isNew = false } of tasks) {
          if (isNew) insert('tasks', { position: nextPosition(), ...taskColumns(task.task), ...taskStateColumns(task) });
          else updateTask(task.task.id, taskStateColumns(task));
          if (result !== undefined) statement(insertResult).run(toJson(result), task.task.id);
          insert('transitions', transitionColumns(transition));
        }
        if (study === undefined) return;
        const { changes } = statement('UPDATE study SET status = ?').run(study.status);
        if (changes !== 1) throw new NoisefoldError('STORE_FAILED', 'there is no study', { where: path });
        insert('study_transitions', studyTransitionColumns(study));
      });
    },
    transitions(task, last) {
      const where = task === undefined ? '' : ' WHERE task = ?';
      const values = task === undefined ? [] : [task];
      if (last === undefined)
        return rows<TransitionColumns>(`SELECT * FROM transitions${where} ORDER BY id`, ...values).map(transitionOf);
      const latest = `SELECT * FROM transitions${where} ORDER BY id DESC LIMIT ?`;
      return rows<TransitionColumns>(latest, ...values, last)
        .map(transitionOf)
        .reverse();
    },
    studyTransitions: () => rows<StudyTransitionColumns>('SELECT * FROM study_transitions ORDER BY id').map(studyTransitionOf),
    snapshot: () => copyOf(database, path),
    close() {
      if (!closed) close();
      closed = true;
    },
  };
}
