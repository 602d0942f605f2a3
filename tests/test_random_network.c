/* SPDX-License-Identifier: MIT */
/* test_random_network.c: what the tests draw at random: every layer and every option, again and again. */
#include "random_network.h"
#include "testing.h"

TEST_RUNS_ONCE;

static const char *const layer_words[] = {
#define LAYER(KIND, word) #word,
#include "layers.def"
};

/* Options that layers take by words of their own; `|` stands before a layer's name. */
static const char *const options[] = {" stride=",
                                      " padding=",
                                      " dilation=",
                                      "conv2d out",
                                      " bias=0",
                                      "mode=zeros",
                                      "mode=replicate",
                                      "mode=reflect",
                                      "mode=circular",
                                      " affine=0",
                                      "eps=0.03125",
                                      "running=0",
                                      "momentum=0.25",
                                      " ceil=1",
                                      " include_pad=0",
                                      " divisor=",
                                      " output_padding=",
                                      "corners=1",
                                      "corners=0",
                                      "bilinear=0",
                                      " by=",
                                      "upsample bilinear=1 out",
                                      "upsample bilinear=0 out",
                                      " value=-1.5",
                                      " k=2"};

/* Among the graphs of some thousand seeds all layers and options come up again and again. */
START_TEST(every_layer_and_option_is_drawn) {
    enum { GRAPHS = 3000, LEAST = 4, OPTIONS = sizeof options / sizeof *options };
    int kinds[NET_KINDS] = {0}, options_drawn[OPTIONS] = {0}, grouped[NET_KINDS] = {0};
    for (int seed = LATE_SEEDS; seed < LATE_SEEDS + GRAPHS; seed++) {
        network net = random_graph_of(seed);
        for (int i = 1; i <= net.layers; i++) {
            kinds[net.layer[i].kind]++;
            grouped[net.layer[i].kind] += net.layer[i].groups > 1;
        }
        for (int o = 0; o < OPTIONS; o++)
            options_drawn[o] += strstr(net.text, options[o]) != NULL;
    }
    for (int k = NET_INPUT + 1; k < NET_KINDS; k++)
        ck_assert_msg(kinds[k] >= LEAST, "%s is drawn %d times", layer_words[k], kinds[k]);
    for (int o = 0; o < OPTIONS; o++)
        ck_assert_msg(options_drawn[o] >= LEAST, "'%s' is drawn %d times", options[o], options_drawn[o]);
    ck_assert_int_ge(grouped[NET_CONV2D], LEAST);
    ck_assert_int_ge(grouped[NET_CONV_TRANSPOSE2D], LEAST);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("random_network");
    TCase *drawn = tcase_create("drawn");
    tcase_add_test(drawn, every_layer_and_option_is_drawn);
    suite_add_tcase(suite, drawn);
    return test_run(suite);
}
