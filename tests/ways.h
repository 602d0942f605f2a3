/* layouts.h: the two layouts, for suites that train in either. */
#ifndef LAYOUTS_H
#define LAYOUTS_H

#include "network.h"

extern const cn_layout layouts[2];
const char *layout_name(const cn_context *context);

/* Fails the test unless a model trains in the layout that its context asks for. */
void expect_layout(const cn_model *model, int images);

/* net_run_library in that layout, and no other. */
void run_in_layout(cn_context *context, const network *net, net_pass *pass);

#endif
