"""From other products' records to events: one small module a format, one reader, one verdict a line.

reader   lines of a file, whatever it is packed in; refuses what is no log at all
values   numbers, times and texts out of hostile records
usage    any usage object → disjoint token buckets
openai, netra_lines   one format each: `detect(record)` and `parse(record)`
formats  which formats there are, and which one a file is
"""
