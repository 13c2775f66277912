/**
 * ONNX Runtime has telemetry from 1.30 on: it writes a device id and a database under the user's cache folder, and knows a collector of its maker. A library that trains
 * on somebody's table has no business there, so it is off unless the environment says otherwise (ORT_DISABLE_TELEMETRY=0). Imported before onnxruntime-node.
 */
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
