"""Detection and repair of errors in the cells of a table.

`detectors` are plain Python on columns of texts, without model or database: each reports `Finding`s, and
`detectors.ensemble` combines them into one repair per cell.
"""
