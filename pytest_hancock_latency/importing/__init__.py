"""Raw results of other tools, judged by our budgets: read as a stream, in bounded memory.

formats     what each tool writes: the place of name, latency, start and success in a line
summaries   what has no raw results, and cannot be judged
prometheus  the counts that Prometheus collected, instead of a file
results     the counts of all requests by name, and the records made of them
"""
