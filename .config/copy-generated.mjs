// tsc does not emit the generated JavaScript, and a bin must be executable.
import { chmodSync, cpSync } from 'node:fs';

for (const folder of ['wire/generated', 'engine/onnx/generated']) cpSync(`src/${folder}`, `dist/${folder}`, { recursive: true });
chmodSync('dist/main.js', 0o755);
