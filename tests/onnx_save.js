// SPDX-License-Identifier: MIT
// onnx_save.js ONNX_SAVE: what the library writes as ONNX files. Every layer with every option, and every prebuilt network,
// as it is and with its preprocessing, for one image and for three: how far ONNX Runtime's outputs are from the library's,
// by the largest output, which may be 1e-5. Ends with 1 if one is further, or is refused by the runtime or by ONNX's own
// checker.
//
// npm: onnxruntime-node, found by NODE_PATH. Debian: nodejs, and python3-onnx for the checker, without which that is left
// out. The files go into a folder for temporary files.
'use strict';
const {spawnSync} = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const ort = require('onnxruntime-node');

const LARGEST = 1e-5;
const CHECK = `
import sys, onnx
for path in sys.argv[1:]:
    try:
        onnx.checker.check_model(onnx.load(path), full_check=True)
    except Exception as error:
        print(path, str(error).strip().split(chr(10))[0], sep=chr(9))
`;
const python = ['/usr/bin/python3', 'python3'].find(name => spawnSync(name, ['-c', 'import onnx']).status === 0);

function write(tool, ...args) {
    const answer = spawnSync(tool, args, {encoding: 'utf8', maxBuffer: 1 << 26});
    if (answer.status !== 0)
        throw new Error(`onnx_save ${args[0]}: ${answer.stderr || answer.stdout}`);
    return answer.stdout.trimEnd().split('\n');
}

// Complaints of the checker by file.
function check(files) {
    const answer = python && spawnSync(python, ['-c', CHECK, ...files], {encoding: 'utf8', maxBuffer: 1 << 26});
    return new Map(answer ? answer.stdout.split('\n').filter(Boolean).map(line => line.split('\t')) : []);
}

// The largest difference, by the largest output, of all batches and outputs.
async function difference(file) {
    const session = await ort.InferenceSession.create(file, {intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3});
    const bytes = fs.readFileSync(file.replace(/onnx$/, 'floats'));
    const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    let at = 0, worst = 0;
    for (const images of [1, 3]) {
        const feeds = {};
        for (const {name, shape} of session.inputMetadata) {
            const dims = shape.map(side => typeof side === 'string' ? images : side);
            const count = dims.reduce((a, b) => a * b);
            feeds[name] = new ort.Tensor('float32', floats.slice(at, at += count), dims);
        }
        const outputs = await session.run(feeds);
        for (const name of session.outputNames) {
            const theirs = outputs[name].data, ours = floats.subarray(at, at += theirs.length);
            const largest = ours.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
            const furthest = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i])), 0);
            worst = Math.max(worst, ours.some((value, i) => Number.isNaN(theirs[i] - value)) ? Infinity : furthest / largest);
        }
    }
    if (at !== floats.length)
        throw new Error(`it takes and gives ${at} numbers, not ${floats.length}`);
    await session.release();
    return worst;
}

// [{name, worst, why}] of all files in a folder.
async function judge(folder, names) {
    const files = names.map((_, i) => path.join(folder, `${i}.onnx`)), complaints = check(files), found = [];
    for (let i = 0; i < names.length; i++) {
        let worst = Infinity, why = complaints.get(files[i]);
        try {
            worst = await difference(files[i]);
        } catch (error) {
            why = why || error.message.split('\n')[0];
        }
        if (!why && !(worst <= LARGEST))
            why = `differs by ${worst.toExponential(1)}`;
        found.push({name: names[i], worst, why});
    }
    return found;
}

async function inFolder(work) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'onnx-save-'));
    try {
        return await work(folder);
    } finally {
        fs.rmSync(folder, {recursive: true});
    }
}

function row(name, found) {
    const worst = Math.max(...found.map(one => one.worst)), failed = found.filter(one => one.why).length;
    console.log(`| ${name} | ${found.length} | ${worst.toExponential(1)} | ${failed || ''} |`);
}

function head(first) {
    console.log(`\n| ${first} | files | largest difference | failed |\n| --- | --- | --- | --- |`);
}

async function main(tool) {
    const all = [];
    const layers = await inFolder(folder => judge(folder, write(tool, 'layers', folder)));
    const byKind = new Map();
    for (const one of layers) {
        const words = one.name.split(' | '), kind = words.length > 2 || words.length === 1 ? 'graphs' : words[1].split(' ')[0];
        byKind.set(kind, [...(byKind.get(kind) || []), one]);
    }
    head('layer');
    for (const [kind, found] of [...byKind].sort())
        row(kind, found);
    all.push(...layers);
    head('network');
    for (const name of write(tool, 'networks')) {
        const found = await inFolder(folder => judge(folder, write(tool, 'network', name, folder)));
        row(name, found);
        all.push(...found);
    }
    const failed = all.filter(one => one.why);
    console.log(`\n${all.length - failed.length} passed, ${failed.length} failed${python ? '' : ' (without ONNX\'s checker, python3-onnx)'}`);
    for (const one of failed)
        console.log(`  ${one.name}: ${one.why}`);
    process.exitCode = failed.length > 0 ? 1 : 0;
}

main(process.argv[2]);
