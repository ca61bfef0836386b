/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What exports have done, as OpenMetrics text (specification 1.0). */
#ifndef OPENMETRICS_H
#define OPENMETRICS_H

#include "qapi/qapi-types-block-export-stats.h"

/** openmetrics_of_exports: the whole text, its end mark included; the caller frees it. */
char *openmetrics_of_exports(const BlockExportStatsList *stats);

#endif
