"""Where pictures and source texts come from: one port, one file a source."""
