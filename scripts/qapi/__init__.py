# SPDX-License-Identifier: GPL-2.0-or-later
"""From the schema (qapi/*.json) to C code, data and the reference page."""
