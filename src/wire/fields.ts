/** The kinds of values in messages, with their ranges and lengths; what they make up is in schema.ts, task-schema.ts and client-schema.ts. */
import { z } from 'zod';
import { studyName } from '../config/schema/sweep.ts';

/** Bytes of a blob that one message may carry. */
export const maxChunkBytes = 2 ** 18;

/** Blobs are not larger than this, whoever asks. */
export const maxBlobBytes = 2 ** 40;

/** Characters of a text for people; the codec cuts longer ones, on either side. */
export const maxProse = 65_536;

export const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text);
export const isShare = (value: number): boolean => value >= 0 && value <= 1;

/** At most so many characters, and no half of a surrogate pair. */
const upTo = (characters: number) => z.string().max(characters).refine(isWellFormed, 'has half a surrogate pair');

/** Column names, versions, devices. */
export const text = upTo(4_096);
/** Of workers, tasks, trials, engines and error codes. */
export const name = upTo(512).min(1);
/** Names the study's folder too. */
export const study = z.string().regex(studyName, 'is not the name of a study');
/** Text for people may have been cut anywhere, so the codec mends and cuts it instead of refusing it. */
export const prose = z.string();
/** Canonical JSON of a configuration or a plan; bounded by the frame. */
export const json = z.string().refine(isWellFormed, 'has half a surrogate pair');
export const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in 64 lower-case hexadecimal digits');

export const uint32 = z.int().min(0).max(0xffff_ffff);
export const count = uint32.min(1);
/** A safe integer: a number of training steps, of bytes, or of milliseconds since 1970. */
export const safe = z.int().min(0);
export const share = z.number().min(0).max(1);
export const positive = z.number().positive();
export const notNegative = z.number().min(0);
/** NaN and infinities included, where "undefined" is a legitimate value of a metric (R2 of a constant target) or of a loss that diverges while a user looks on. */
export const anyDouble = z.custom<number>((value) => typeof value === 'number', 'is not a number');

/** For a member that is always there and may be undefined; zod's own z.undefined() would make it one that may be left out. */
export const absent = z.custom<undefined>((value) => value === undefined);
export const maybe = <T extends z.ZodType>(schema: T) => z.union([schema, absent]);

export const bytes = z
  .custom<Uint8Array>((value) => value instanceof Uint8Array, 'is not bytes')
  .refine((value) => value.length <= maxChunkBytes, `is longer than ${maxChunkBytes} bytes`);
