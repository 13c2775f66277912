/** The port for content-addressed blobs: prepared data and checkpoints. A blob's name is the SHA-256 of its bytes. */
export interface ArtifactStore {
  /** Writes durably (temporary file, fsync, rename); writing what is there already is a no-op. Resolves to the hash. Throws DISK_FULL. */
  put(bytes: Uint8Array): Promise<string>;
  /** Verified bytes. Throws ARTIFACT_NOT_FOUND, ARTIFACT_CORRUPT. */
  get(hash: string): Promise<Uint8Array>;
  /** The size in bytes, without reading or verifying it; undefined when it is not there. */
  size(hash: string): Promise<number | undefined>;
  has(hash: string): Promise<boolean>;
  /** Deleting what is not there is a no-op. */
  delete(hash: string): Promise<void>;
  list(): Promise<readonly string[]>;
}
