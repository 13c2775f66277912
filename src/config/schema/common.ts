/** The building blocks of the schemas: texts, checks across keys, and values that may be searched. */
import { z } from 'zod';

/** A text that is not empty. */
export const text = () => z.string().min(1);

/** Runs a check of a mapping as soon as these keys of it are right, so that a problem in another key does not hide one here. */
export const once = (...keys: readonly string[]) => ({
  when: ({ issues }: z.core.ParsePayload) =>
    !issues.some(({ code, path }) => {
      const first = path?.[0];
      return first === undefined ? code === 'invalid_type' : keys.includes(String(first));
    }),
});

/** Whether each value is above the one before. */
export const ascending = (values: readonly number[]): boolean =>
  values.every((value, i) => i === 0 || value > (values[i - 1] ?? value));

const range = (end: z.ZodNumber) =>
  z
    .tuple([end, end])
    .refine(([low, high]) => low < high, { error: 'the low end must be below the high end (write [low, high])' });

const logRange = (end: z.ZodNumber) =>
  range(end).refine(([low]) => low > 0, { error: 'a logarithmic range starts above 0 (use `uniform` to include 0)' });

const choiceOf = (item: z.ZodNumber) =>
  z.strictObject({
    choice: z
      .array(item)
      .min(1)
      .refine((values) => new Set(values).size === values.length, { error: 'a value is listed twice (keep one)' })
      .describe('One of these values.'),
  });

/** A number, or a distribution of such numbers. */
export const searchable = (item: z.ZodNumber) =>
  z.union([
    item,
    choiceOf(item),
    z.strictObject({ uniform: range(item).describe('Uniform between the two ends.') }),
    z.strictObject({ logUniform: logRange(item).describe('Uniform in the logarithm, between the two ends.') }),
  ]);

/** A whole number, or a distribution of whole numbers. */
export const searchableWhole = (item: z.ZodNumber) =>
  z.union([
    item,
    choiceOf(item),
    z.strictObject({ integer: range(item).describe('A whole number between the two ends, both included.') }),
  ]);

/** A probability, or a distribution within [0, 1]. */
export const probability = () => searchable(z.number().min(0).max(1));
/** A whole number from 1, or a distribution of such. */
export const size = () => searchableWhole(z.int().min(1));
