#include <math.h>

/* Of `windows` that cover `size` rows or columns: the first that a window has, and of the next one the end. */
static int window_first(int window, int windows, int size) {
    return (int)((long long)window * size / windows);
}

static int window_end(int window, int windows, int size) {
    return (int)((((long long)window + 1) * size + windows - 1) / windows);
}
