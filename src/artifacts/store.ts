/**
 * The port for content-addressed blobs: prepared data and checkpoints. A blob's name is the SHA-256 of its bytes, so a blob never changes; it is whole
 * and right, or it is corrupt. Nothing here asks for more than an S3-compatible store has: whole writes, parts that become whole, reads of a range.
 */
export interface ArtifactStore {
  /** Writes durably (temporary file, fsync, rename); writing what is there already is a no-op, and heals what is corrupt. Resolves to the hash. Throws DISK_FULL. */
  put(bytes: Uint8Array): Promise<string>;
  /**
   * Goes on with a blob that arrives in parts, or begins one. What came before a restart is kept. One at a time for a hash.
   * @param total its bytes
   */
  upload(hash: string, total: number): Promise<Upload>;
  /** Verified bytes. Throws ARTIFACT_NOT_FOUND, ARTIFACT_CORRUPT. */
  get(hash: string): Promise<Uint8Array>;
  /** At most `length` bytes from `offset` on, fewer at the blob's end; not verified, since that takes all of them. Throws ARTIFACT_NOT_FOUND. */
  read(hash: string, offset: number, length: number): Promise<Uint8Array>;
  /** The size in bytes, without reading or verifying it; undefined when it is not there. */
  size(hash: string): Promise<number | undefined>;
  has(hash: string): Promise<boolean>;
  /** Reads and verifies the blob. A corrupt one is put aside, so that it counts as not there and can be put again. */
  verify(hash: string): Promise<'good' | 'missing' | 'corrupt'>;
  /** Deleting what is not there is a no-op. */
  delete(hash: string): Promise<void>;
  list(): Promise<readonly string[]>;
}

/** A blob on its way in. */
export interface Upload {
  /** Bytes that are kept so far. */
  received(): number;
  /** Adds the bytes that follow. Throws DISK_FULL, after which `received` tells what is kept; a RangeError beyond the total. */
  append(bytes: Uint8Array): Promise<void>;
  /** Verifies the whole and makes it durable under its hash. Throws ARTIFACT_CORRUPT and forgets the parts if the bytes are others, DISK_FULL. */
  finish(): Promise<void>;
  /** Forgets the parts. */
  abandon(): Promise<void>;
}
