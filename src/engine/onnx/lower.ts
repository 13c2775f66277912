export { buildModel } from './protobuf.ts';
