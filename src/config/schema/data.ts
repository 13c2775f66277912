import { z } from 'zod';
import { defaults } from '../defaults.ts';
import { once, text } from './common.ts';

const targetObject = z.strictObject({
  column: text().describe('The column to predict. The autoencoder never sees it.'),
  task: z
    .enum(['regression', 'binary'])
    .default(defaults.target.task)
    .describe('What the ridge on the features predicts; `binary` wants exactly two levels.'),
  transform: z
    .enum(['none', 'log'])
    .default(defaults.target.transform)
    .describe(
      '`log`: predict log(target); errors are then in that unit, predictions are transformed back. The target must be > 0.',
    ),
});

export const data = z
  .strictObject({
    train: text().describe('The labelled rows: CSV, CSV.gz or Parquet. Relative to the folder of the configuration file.'),
    test: text().optional().describe('Rows without the target: they take part in training the autoencoder, and get predictions.'),
    target: z
      .union([text().transform((column) => ({ column, ...defaults.target })), targetObject])
      .describe('The column to predict; its name alone is short for `{column: NAME}`.'),
    id: text().optional().describe('A column that identifies a row; never an input.'),
    drop: z
      .array(text())
      .default([...defaults.data.drop])
      .describe('Columns to leave out of the inputs.'),
    kinds: z
      .record(text(), z.enum(['categorical', 'numerical']))
      .default(defaults.data.kinds)
      .describe('The kind of a column by name, where the inferred one is wrong (`noisefold data inspect` shows it).'),
    missing: z
      .array(z.string())
      .default([...defaults.data.missing])
      .describe('Field texts that stand for a missing value, such as `NA`; the empty field always does.'),
    delimiter: z
      .string()
      .length(1)
      .optional()
      .describe('The one character between CSV fields; inferred from the header when left out.'),
    rareBelow: z
      .int()
      .min(1)
      .default(defaults.data.rareBelow)
      .describe('Categorical levels with fewer rows than this share one level; 1 keeps all.'),
  })
  .superRefine(
    ({ target, id, drop, kinds }, ctx) => {
      const clash = (path: (string | number)[], message: string, at?: 'key') => {
        ctx.addIssue({ code: 'custom', path, message, params: { at } });
      };
      if (target.task === 'binary' && target.transform !== 'none')
        clash(['target', 'transform'], 'a binary target is not transformed (remove `transform`)');
      if (id === target.column) clash(['id'], `\`${id}\` is the target already (an id is another column)`);
      drop.forEach((column, i) => {
        if (column === target.column)
          clash(['drop', i], `\`${column}\` is the target and cannot be dropped (it is never an input)`);
      });
      for (const column of new Set([target.column, id]))
        if (column !== undefined && Object.hasOwn(kinds, column))
          clash(['kinds', column], `\`${column}\` is not an input (remove it here)`, 'key');
    },
    once('target', 'id', 'drop', 'kinds'),
  );
