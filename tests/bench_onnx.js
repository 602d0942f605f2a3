// SPDX-License-Identifier: MIT
// bench_onnx.js FOLDER: ONNX Runtime as the peer of bench_training.c, with FOLDER/NETWORK.onnx as bench_torch.py has
// exported it. It says who it is, then answers each line `infer NETWORK BATCH THREADS SECONDS` with images a second.
// Sessions stay for the next line like it, until the line `forget`.
'use strict';
const ort = require('onnxruntime-node');
const path = require('path');
const readline = require('readline');

const sessions = new Map();

async function rate(session, batch, seconds) {
    const shape = session.inputMetadata[0].shape.slice(1);
    const floats = shape.reduce((all, size) => all * size, batch);
    const pixels = Float32Array.from({length: floats}, (_, i) => (i * 7919 % 2001 - 1000) / 500);
    const input = {x: new ort.Tensor('float32', pixels, [batch, ...shape])};
    for (let i = 0; i < 3; i++)
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

async function main(folder) {
    console.log(`ONNX Runtime ${ort.env.versions.node} (its own kernels, MLAS; all graph optimisations)`);
    for await (const line of readline.createInterface({input: process.stdin})) {
        if (line === 'forget') {
            for (const session of sessions.values())
                await session.release();
            sessions.clear();
            continue;
        }
        const [, network, batch, threads, seconds] = line.split(' ');
        const job = [network, batch, threads].join(' ');
        if (!sessions.has(job))
            sessions.set(job, await ort.InferenceSession.create(path.join(folder, network + '.onnx'), {
                intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential',
                graphOptimizationLevel: 'all'}));
        console.log(await rate(sessions.get(job), Number(batch), Number(seconds)));
    }
}

main(process.argv[2]);
