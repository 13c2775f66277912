import { loadEngine } from '../../src/engine/registry.ts';
import { engineContract } from './engine.ts';

engineContract('onnx', (threads) => loadEngine('onnx', { threads }));
engineContract('cpu', (threads) => loadEngine('cpu', { threads }));
