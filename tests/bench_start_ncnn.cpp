// SPDX-License-Identifier: MIT
// bench_start_ncnn.cpp: what bench_start.c measures, with ncnn, and who that is: a program for bench.sh's START_PEER.
//
//   bench_start_ncnn NAME      # of the files that ncnn_session8.py has written; with SCORES set, the scores of an image of zeros
#include <cstdio>
#include <cstdlib>
#include <c_api.h>
#include <net.h>
#include <string>
#include <sys/resource.h>

static int classify(const std::string &name, const char *scores_name, bool shown) {
    ncnn::Net net;
    net.opt.num_threads = 1;
    net.opt.use_vulkan_compute = false;
    // In float32, as the library computes.
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = false;
    if (net.load_param((name + ".param").c_str()) || net.load_model((name + ".bin").c_str()))
        return 1;
    ncnn::Mat image(32, 32, 3), scores;
    image.fill(0.0f);
    ncnn::Extractor extractor = net.create_extractor();
    if (extractor.input("image", image) || extractor.extract(scores_name, scores))
        return 1;
    for (int i = 0; shown && i < 10; i++)
        std::printf("%g\n", scores[i]);
    return 0;
}

static double milliseconds(const struct timeval &time) {
    return 1e3 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_usec);
}

// Linux counts in the shell's memory where it only says ru_maxrss.
static double largest_memory(const struct rusage &usage) {
    char line[128];
    double kilobytes = static_cast<double>(usage.ru_maxrss);
    std::FILE *file = std::fopen("/proc/self/status", "r");
    while (file && std::fgets(line, sizeof line, file))
        if (std::sscanf(line, "VmHWM: %lf", &kilobytes) == 1)
            break;
    if (file)
        std::fclose(file);
    return kilobytes / 1024.0;
}

int main(int argc, char **argv) {
    struct rusage usage;
    const char *shown = std::getenv("SCORES");
    if (argc < 2 || classify(argv[1], "scores", shown != nullptr) || getrusage(RUSAGE_SELF, &usage) != 0) {
        std::fprintf(stderr, "bench_start_ncnn: cannot load or run the network\n");
        return 1;
    }
    std::printf("%.2f %.1f ncnn %s\n", milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime),
                largest_memory(usage), ncnn_version());
    return 0;
}
