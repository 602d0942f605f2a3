/* SPDX-License-Identifier: MIT */
/* exif.c: which way a photograph is up (JEITA CP-3451, Exif 2.3: tag Orientation of the first directory of a TIFF
 * structure). */
#include "image/image.h"
#include <string.h>

#define HEAD        6 /* "Exif" and two zeros, which JPEG files have before the TIFF structure */
#define ENTRY       12
#define ORIENTATION 0x0112
#define SHORT       3

/* A TIFF structure; reads beyond its end give 0. */
typedef struct tiff {
    const unsigned char *data;
    size_t bytes;
    bool big_endian;
} tiff;

static uint32_t number(const tiff *t, size_t at, int width) {
    uint32_t value = 0;
    for (int i = 0; i < width; i++) {
        size_t byte = at + (size_t)(t->big_endian ? i : width - 1 - i);
        value = value << 8 | (byte < t->bytes ? t->data[byte] : 0);
    }
    return value;
}

int cn__exif_orientation(const unsigned char *data, size_t bytes) {
    size_t head = bytes >= HEAD && memcmp(data, "Exif\0", HEAD) == 0 ? HEAD : 0;
    tiff t = {data + head, bytes - head, bytes > head && data[head] == 'M'};
    if (t.bytes < 8 || memcmp(t.data, t.big_endian ? "MM\0*" : "II*\0", 4) != 0)
        return 0;
    size_t directory = number(&t, 4, 4), entries = number(&t, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + i * ENTRY;
        if (entry + ENTRY > t.bytes)
            break;
        if (number(&t, entry, 2) == ORIENTATION && number(&t, entry + 2, 2) == SHORT)
            return (int)number(&t, entry + 8, 2);
    }
    return 0;
}

/* Where the first row and column of what is stored are shown: 1 top left, 2 top right, 3 bottom right, 4 bottom left;
 * 5 to 8 the same with rows and columns exchanged first. */
cn__placement cn__exif_placement(int orientation, int64_t height, int64_t width) {
    cn__placement place = {.axes_swapped = orientation >= 5 && orientation <= 8};
    bool right_to_left = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    bool bottom_up = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    int64_t shown_height = place.axes_swapped ? width : height, shown_width = place.axes_swapped ? height : width;
    int64_t down = bottom_up ? -shown_width : shown_width, right = right_to_left ? -1 : 1;
    place.origin = (bottom_up ? (shown_height - 1) * shown_width : 0) + (right_to_left ? shown_width - 1 : 0);
    place.row = place.axes_swapped ? right : down;
    place.column = place.axes_swapped ? down : right;
    return place;
}
