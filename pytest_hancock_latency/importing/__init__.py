"""Raw results of other tools, judged by our budgets: read as a stream, in bounded memory.

text        the lines of a file
rows        from lines to rows of named columns: CSV, JSON, logs
log_format  formats of access logs
layout      from columns to requests: latency, name, time, success
presets     what each tool writes
summaries   what has no raw results, and cannot be judged
prometheus  the counts that Prometheus collected, instead of a file
results     the counts of all requests by name, and the records made of them
"""
