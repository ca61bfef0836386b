# SPDX-License-Identifier: GPL-2.0-or-later
"""Does a vhost-user back-end obey the protocol? Cases generated from a table, for any back-end.

`rows` has a row for each message; `payloads` builds correct and wrong ones; `cases` generates what
is tried; `session` is one connection; `verdict` says what the protocol demands of an answer;
`peer` is the back-end under test; `runner` goes through the cases and counts.
"""
