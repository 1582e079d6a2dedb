"""Ryu's words for an OpenFlow 1.3 switch, made from what a bridge says in OpenFlow 1.5.

Pure: os-ken's reply objects in, values for JSON out. Nothing here sends. `flow_words`, `table_words` and `words` hold
the answers, `lowered` turns actions and matches of 1.5 into those of 1.3, `asked` reads what people ask.
"""
