/* callback.c: data sets whose images the caller's program hands over when asked. */
#include "data/dataset.h"

cn_status cn_dataset_callback(cn_context *context, const cn_dataset_source *source, cn_dataset **dataset) {
    cn_dataset_source known = CN_DATASET_SOURCE_INIT;
    CN__REQUIRE(dataset);
    *dataset = NULL;
    CN__REQUIRE(context);
    CN__REQUIRE(source);
    CN__TRY(CN__READ_OPTIONS(&known, cn_dataset_source, source));
    CN__TRY(cn__check_reserved("cn_dataset_source", known.reserved == 0 && !known.reserved_pointer));
    CN__REQUIRE(known.fetch);
    CN__TRY(cn__check_images("cn_dataset_source", known.count, known.channels, known.height, known.width));
    CN__TRY(cn__check_classes("cn_dataset_source", known.classes));
    cn__images described = {.count = known.count,
                            .channels = known.channels,
                            .height = known.height,
                            .width = known.width,
                            .classes = known.classes,
                            .source = known};
    described.source.release = NULL; /* the source stays the caller's if this fails */
    CN__TRY(cn__dataset_new(context, described, dataset));
    (*dataset)->images->source.release = known.release;
    return CN_OK;
}
