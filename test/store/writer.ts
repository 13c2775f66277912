/** A process that commits attempts 1, 2, 3, ... of the first task, and says so after each commit, until it is killed: `writer.ts PATH`. */
import { writeSync } from 'node:fs';
import { openStore } from '../../src/store/sqlite.ts';
import { change, plan, study, taskAt } from '../contract/store.ts';

const store = openStore(process.argv[2] ?? '');
store.create(study, plan);
for (let attempt = 1; ; attempt++) {
  store.commit({
    tasks: [change(taskAt(0), { status: 'leased', attempt }), change(taskAt(1), { status: 'leased', attempt })],
  });
  writeSync(1, `${attempt}\n`);
}
