import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileArtifacts } from '../../src/artifacts/files.ts';
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import { artifactsContract } from './artifacts.ts';

artifactsContract('memory', memoryArtifacts);

const folder = mkdtempSync(join(tmpdir(), 'noisefold-artifacts-'));
after(() => rmSync(folder, { recursive: true }));
artifactsContract('file', () => fileArtifacts(mkdtempSync(join(folder, 'x'))));
