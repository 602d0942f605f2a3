// bench_onnx.js MODEL: ONNX Runtime as the peer of bench_training.c, with session 8 as bench_torch.py exported it. It says
// who it is, then answers each line `infer NETWORK BATCH THREADS SECONDS` with images a second.
'use strict';
const ort = require('onnxruntime-node');
const readline = require('readline');

async function rate(session, batch, seconds) {
    const pixels = Float32Array.from({length: batch * 3 * 32 * 32}, (_, i) => (i * 7919 % 2001 - 1000) / 500);
    const input = {x: new ort.Tensor('float32', pixels, [batch, 3, 32, 32])};
    for (let i = 0; i < 5; i++)
        await session.run(input);
    const start = performance.now();
    let count = 0, passed;
    do {
        await session.run(input);
        count += batch;
        passed = (performance.now() - start) / 1000;
    } while (passed < seconds);
    return count / passed;
}

async function main(model) {
    console.log('ONNX Runtime ' + ort.env.versions.node);
    for await (const line of readline.createInterface({input: process.stdin})) {
        const [, , batch, threads, seconds] = line.split(' ').map(Number);
        const session = await ort.InferenceSession.create(model, {
            intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all'});
        console.log(await rate(session, batch, seconds));
        await session.release();
    }
}

main(process.argv[2]);
