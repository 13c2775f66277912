// What stands for @tensorflow/tfjs where src/ is bundled: its core, its gradients and its plain JavaScript backend, without layers, converters and WebGL.
import { enableProdMode } from '@tensorflow/tfjs-core/dist/index.js';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import '@tensorflow/tfjs-backend-cpu/dist/index.js';

export * from '@tensorflow/tfjs-core/dist/index.js';

// Or a backend that brings a second copy of the core says on the console that it is one.
enableProdMode();
