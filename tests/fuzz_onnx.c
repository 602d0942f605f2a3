/* fuzz_onnx.c: hands arbitrary bytes to cn_model_load_memory, as fuzz_model_file.c does, from a corpus of ONNX files, for
 * libFuzzer (`make fuzz`); test_onnx_damage.c replays tests/corpus/onnx through it. */
#include "fuzz_model_file.c"
