// SPDX-License-Identifier: MIT
// onnx_networks.js MODEL INPUT OUTPUT: ONNX Runtime on raw float32 images of 3×224×224.
'use strict';
const fs = require('fs');
const ort = require('onnxruntime-node');

async function main(model, input, output) {
    const bytes = fs.readFileSync(input);
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const session = await ort.InferenceSession.create(model, {intraOpNumThreads: 1, interOpNumThreads: 1});
    const feeds = {[session.inputNames[0]]: new ort.Tensor('float32', values, [values.length / (3 * 224 * 224), 3, 224, 224])};
    const data = (await session.run(feeds))[session.outputNames[0]].data;
    fs.writeFileSync(output, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
}

main(...process.argv.slice(2));
