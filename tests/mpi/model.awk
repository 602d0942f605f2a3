# SPDX-License-Identifier: MIT
# model.awk: what a step of N machines takes, as docs/scale.md explains it: awk -f tests/mpi/model.awk
#
# For each network and wire: the least images per machine with which N machines keep 80 % of N times one's speed, first
# with batch norm of the whole batch, then with that of each machine alone; and the share that is kept with 64 images.

function least(value, other) { return value < other ? value : other }
function log2up(n,   k) { for (k = 0; 2 ^ k < n; k++); return k }

# An all-gather of so many bytes of each of n.
function gather(n, bytes) { return log2up(n) * latency + (n - 1) * bytes / bandwidth }

# All layers but the last wait for nothing; the last bucket's sums go out when nothing is left to compute.
function step(n, images, local,   compute, statistics, gradients, window, last) {
    compute = images / speed[net]
    statistics = local ? 0 : norms[net] * 2 * log2up(n) * latency + 40 * channels[net] * (n - 1) / bandwidth
    gradients = 2 * 4 * parameters[net] * (n - 1) / n / bandwidth + buckets() * ((n - 1) * message + (n > 1) * latency * (1 + log2up(n)))
    last = gradients / buckets()
    window = 0.6 * compute
    return compute + statistics + gather(n, 4 * outputs[net] * images) + last + (gradients - last > window ? gradients - last - window : 0)
}
function buckets(   n) { n = 4 * parameters[net] / 2 ^ 20; return n > 1 ? int(n) + (n > int(n)) : 1 }
function kept(n, images, local) { return images / speed[net] / step(n, images, local) }
function enough(n, local,   images) {
    for (images = 16; images <= 16384; images += 16)
        if (kept(n, images, local) >= 0.8) return images
    return "-"
}

function network(name, s, p, c, l, k) { speed[name] = s; parameters[name] = p; channels[name] = c; norms[name] = l; outputs[name] = k; names[++count] = name }

function table(   i, j, n) {
    for (i = 1; i <= count; i++) {
        net = names[i]
        for (j = 1; j <= 3; j++) {
            n = 8 ^ j
            printf "| %s | %d | %s | %s | %s | %.0f %% | %.0f %% |\n", net, n, wire, enough(n, 0), enough(n, 1), 100 * kept(n, 64, 0), 100 * kept(n, 64, 1)
        }
    }
}

BEGIN {
    # images/s of a machine of 16 cores, parameters, channels of batch norm, batch norms, outputs
    network("session 8", 30900, 47818, 200, 8, 10)
    network("ResNet-18 at 224", 144, 11689512, 4800, 20, 1000)
    network("ResNet-50 at 224", 64, 25557032, 26560, 53, 1000)
    print "| network | machines | Gbit/s | images each for 80 % | with local batch norm | kept with 64 each | with local batch norm |"
    print "| --- | --- | --- | --- | --- | --- | --- |"
    wire = 10; bandwidth = 1.1e9; latency = 30e-6; message = 3e-6
    table()
    wire = 100; bandwidth = 11e9; latency = 5e-6; message = 0.5e-6
    table()
}
