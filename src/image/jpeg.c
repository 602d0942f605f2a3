/* SPDX-License-Identifier: MIT */
/* jpeg.c: JPEG files (ITU-T T.81) through libjpeg: grey, colour and CMYK, baseline and progressive, Huffman and
 * arithmetic codes, turned as Exif says. libjpeg's own memory comes from malloc, within limits, and is
 * counted as the context's. */
#include "image/image.h"

#if CN_WITH_IMAGES
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
/* Each wants those above first. */
#include <jpeglib.h>

#include <jerror.h>

#define APP1            (JPEG_APP0 + 1) /* the marker of Exif's segment */
#define PIXELS_PER_BYTE 512             /* at best: a bit for each block of 8×8 (Huffman codes have no shorter) */
#define ARITHMETIC_FREE (1 << 20)       /* so many an arithmetic code, which may be shorter, need not pay for */
#define MAX_SCANS       500             /* of a progressive file: each takes as long as a picture */
#define MAX_SCANNED     (1ull << 32)    /* pixels times scans: seconds, not minutes */
#define MAX_MEMORY      (640l << 20)    /* libjpeg's: 2^27 progressive pixels in 4:2:0 want 384 MiB */

/* What one file is decoded with. The first three are what libjpeg gets pointers to. */
typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const cn__encoded *file;
    unsigned char *row;
    cn_tensor *image;
    cn_status status; /* of our own calls */
    bool no_memory, in_pixels;
    size_t counted;                /* libjpeg's memory */
    char message[JMSG_LENGTH_MAX]; /* of what ended it, libjpeg's or ours */
} reader;

/* ---- what libjpeg calls ---- */

static _Noreturn void stop_because(reader *r, const char *message) {
    snprintf(r->message, sizeof r->message, "%s", message);
    longjmp(r->back, 1);
}

static _Noreturn void stop(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    jpeg->err->format_message(jpeg, r->message);
    if (jpeg->err->msg_code == JERR_NO_BACKING_STORE)
        snprintf(r->message, sizeof r->message, "it wants more than %ld MiB of memory", MAX_MEMORY >> 20);
    r->no_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    longjmp(r->back, 1);
}

/* Warnings have level -1. Those that mean lost pixels end the decoding, others are harmless. */
static void on_warning(j_common_ptr jpeg, int level) {
    static const int losses[] = {JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_ARITH_BAD_CODE, JWRN_MUST_RESYNC};
    for (size_t i = 0; level < 0 && i < CN__COUNT(losses); i++)
        if (jpeg->err->msg_code == losses[i])
            stop(jpeg);
}

static void on_output(j_common_ptr jpeg) {
    (void)jpeg;
}

static void count_scans(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    uint64_t scans = (uint64_t)r->jpeg.input_scan_number;
    if (scans > MAX_SCANS || scans * r->jpeg.image_height * r->jpeg.image_width > MAX_SCANNED)
        stop_because(r, "it has too many scans");
}

/* The file has no more bytes. Where one scan of Huffman codes is the whole picture, only the marker of the end may be
 * missing: libjpeg gets it, and warns if it came too early for the pixels. Otherwise nobody knows what is. */
static boolean end_of_file(j_decompress_ptr jpeg) {
    static const JOCTET end[] = {0xff, JPEG_EOI};
    reader *r = jpeg->client_data;
    if (!r->in_pixels || jpeg->arith_code || jpeg_has_multiple_scans(jpeg))
        stop_because(r, "it ends too early");
    jpeg->src->next_input_byte = end;
    jpeg->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

/* ---- the picture ---- */

static int orientation(const reader *r) {
    int found = 0;
    for (jpeg_saved_marker_ptr m = r->jpeg.marker_list; m && !found; m = m->next)
        found = cn__exif_orientation(m->data, m->data_length);
    return found;
}

/* A bound on what libjpeg takes for this picture: rows on their way through its steps and, of a file of several scans,
 * all coefficients. */
static size_t memory_of(struct jpeg_decompress_struct *j) {
    size_t components = (size_t)j->num_components;
    size_t bytes = (128 << 10) + 24 * components * (size_t)j->max_v_samp_factor * (j->image_width + (size_t)64);
    for (int c = 0; c < j->num_components && jpeg_has_multiple_scans(j); c++) {
        const jpeg_component_info *info = &j->comp_info[c];
        size_t across = info->width_in_blocks + (size_t)info->h_samp_factor;
        bytes += across * (info->height_in_blocks + (size_t)info->v_samp_factor) * sizeof(JBLOCK);
    }
    return bytes;
}

static cn_status count_memory(reader *r) {
    size_t bytes = memory_of(&r->jpeg);
    if (!cn__reserve(r->file->ctx, bytes))
        return cn__no_memory("the coefficients of a JPEG");
    r->counted = bytes;
    return CN_OK;
}

static cn_status prepare(reader *r) {
    struct jpeg_decompress_struct *j = &r->jpeg;
    bool grey = j->num_components == 1, four = j->num_components == 4;
    uint64_t max_pixels = (uint64_t)r->file->bytes * PIXELS_PER_BYTE;
    if (j->arith_code && max_pixels < ARITHMETIC_FREE)
        max_pixels = ARITHMETIC_FREE;
    cn__placement place = cn__exif_placement(orientation(r), 1, 1);
    j->out_color_space = grey ? JCS_GRAYSCALE : four ? JCS_CMYK : JCS_RGB;
    CN__TRY(cn__image_new(r->file, grey ? 1 : 3, place.axes_swapped ? j->image_width : j->image_height,
                          place.axes_swapped ? j->image_height : j->image_width, max_pixels, &r->image));
    CN__TRY(count_memory(r));
    r->row = cn__alloc(r->file->ctx, j->image_width, four ? 4 : grey ? 1 : 3);
    return r->row ? CN_OK : cn__no_memory("the rows of a JPEG");
}

/* Inks to light, in place. Stored is how much of an ink is left out: so do Adobe's programs, and all readers expect it
 * of files that have lost Adobe's segment, too. */
static void cmyk_to_rgb(const reader *r) {
    unsigned char *p = r->row, *to = r->row;
    for (size_t x = 0; x < r->jpeg.image_width; x++, p += 4)
        for (int c = 0; c < 3; c++)
            *to++ = (unsigned char)((p[c] * p[3] + 127) / 255);
}

static void store_row(const reader *r, cn__placement place, int64_t y) {
    int64_t channels = r->image->shape[1], pixels = r->image->shape[2] * r->image->shape[3];
    for (int64_t c = 0; c < channels; c++) {
        uint8_t *to = (uint8_t *)r->image->data + c * pixels + place.origin + y * place.row;
        const unsigned char *from = r->row + c;
        for (int64_t x = 0; x < (int64_t)r->jpeg.image_width; x++, from += channels)
            to[x * place.column] = *from;
    }
}

/* A component that no scan holds would come out grey. (libjpeg notes an initial table at a component's first scan.) */
static void check_components(reader *r) {
    for (int c = 0; c < r->jpeg.num_components; c++)
        if (!r->jpeg.comp_info[c].quant_table)
            stop_because(r, "a colour is missing");
}

static void read_rows(reader *r) {
    cn__placement place = cn__exif_placement(orientation(r), r->jpeg.image_height, r->jpeg.image_width);
    r->in_pixels = true;
    jpeg_start_decompress(&r->jpeg);
    check_components(r);
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        int64_t y = r->jpeg.output_scanline;
        jpeg_read_scanlines(&r->jpeg, &r->row, 1);
        if (r->jpeg.out_color_space == JCS_CMYK)
            cmyk_to_rgb(r);
        store_row(r, place, y);
    }
}

/* False: an error came by longjmp, or a call of ours failed. All that changes is in `r`. */
static bool read_picture(reader *r) {
    if (setjmp(r->back))
        return false;
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.client_data = r;
    r->jpeg.progress = &r->progress;
    r->jpeg.mem->max_memory_to_use = MAX_MEMORY;
    jpeg_save_markers(&r->jpeg, APP1, 0xffff);
    jpeg_mem_src(&r->jpeg, r->file->data, (unsigned long)r->file->bytes);
    r->jpeg.src->fill_input_buffer = end_of_file;
    jpeg_read_header(&r->jpeg, TRUE);
    r->status = prepare(r);
    if (r->status != CN_OK)
        return false;
    read_rows(r);
    return true;
}

cn_status cn__jpeg_decode(const cn__encoded *file, cn_tensor **image) {
    reader r = {.file = file};
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.jpeg.client_data = &r;
    r.errors.error_exit = stop;
    r.errors.emit_message = on_warning;
    r.errors.output_message = on_output;
    r.progress.progress_monitor = count_scans;
    bool done = read_picture(&r);
    jpeg_destroy_decompress(&r.jpeg);
    cn__unreserve(file->ctx, r.counted);
    cn__free(file->ctx, r.row);
    if (done) {
        *image = r.image;
        return CN_OK;
    }
    cn_tensor_free(r.image);
    return r.status != CN_OK ? r.status : cn__image_failed(file->name, "JPEG", r.no_memory, r.message);
}

#else

cn_status cn__jpeg_decode(const cn__encoded *file, cn_tensor **image) {
    (void)file;
    (void)image;
    return cn__image_left_out("JPEG");
}

#endif
