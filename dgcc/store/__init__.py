"""Layers and blobs: what a project tree is, how it travels to a slave, and how a job's outputs come back.

The master's half: `digests` and `cache` name content, `selection` says what is mirrored, `scan` and `watch`
see the tree, `layer` gives it versions, `source` serves its content, `writeback` writes what a job made,
`compiler` says what a compiler is. The slave's half: `blobs` keeps content, `pull` fetches it, `mirror` lays
it out as a tree, `sync` brings a mirror to a version. Both speak in the values of `entry` and the errors of
`errors`; `wire` alone turns those into the structs of idl/dgcc.idl.
"""
